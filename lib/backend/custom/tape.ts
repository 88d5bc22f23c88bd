/** What tfjs knows about a gradient that is being taken. */
import * as tf from '@tensorflow/tfjs-core';

/** Whether operations are being recorded to be differentiated. */
export function isTaped(): boolean {
  // tfjs-core declares it private; `tf.engine()` is the same object for every copy of its users.
  return (tf.engine() as unknown as { isTapeOn(): boolean }).isTapeOn();
}

/**
 * Runs `body`, which may take gradients of its own, inside the gradient function of an operation: tfjs
 * forgets the outer gradient's tape at the end of an inner one.
 */
export function keepingTape<T>(body: () => T): T {
  const { state } = tf.engine();
  const tape = state.activeTape;
  try {
    return body();
  } finally {
    if (tape) state.activeTape = tape;
  }
}
