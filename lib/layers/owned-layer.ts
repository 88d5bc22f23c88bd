/**
 * A layer that may be called directly, outside a tf.model, and disposed all the same: tf.layers
 * counts the models that use a layer and refuses to dispose of one that none does.
 */
import * as tfl from '@tensorflow/tfjs-layers';

/** What `dispose` of a layer returns. */
export type Disposed = ReturnType<tfl.layers.Layer['dispose']>;

/** The base of every layer here. */
export abstract class OwnedLayer extends tfl.layers.Layer {
  override dispose(): Disposed {
    this.built = true;
    this._refCount ??= 1;
    return super.dispose();
  }
}
