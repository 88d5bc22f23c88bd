import { send } from './channel.js';
import { currentRun } from './context.js';

interface Question {
  /** The run that asks. */
  run: number;
  prompt: string;
  password: boolean;
  resolve(text: string): void;
  reject(error: Error): void;
}

/** Questions to the person at the notebook, asked one after the other. */
export class Input {
  #questions: Question[] = [];

  /** The global `prompt`: see the declarations that cells are checked against. */
  readonly prompt = (question = '', options: { password?: boolean } = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const { run } = currentRun();
      const password = options.password ?? false;
      this.#questions.push({ run, prompt: String(question), password, resolve, reject });
      if (this.#questions.length === 1) this.#ask();
    });

  /** Takes the answer to the first question; null when the front end does not take input. */
  answer(text: string | null): void {
    const question = this.#questions.shift();
    if (text === null) {
      question?.reject(new Error('prompt: this front end does not take input'));
    } else {
      question?.resolve(text);
    }
    this.#ask();
  }

  /** Forgets the questions of a run that has ended without waiting for answers. */
  abandon(run: number): void {
    const [first] = this.#questions;
    this.#questions = this.#questions.filter((question) => question.run !== run);
    if (this.#questions[0] !== first) this.#ask();
  }

  #ask(): void {
    const [first] = this.#questions;
    if (first === undefined) return;
    const { run, prompt, password } = first;
    send({ type: 'input', run, prompt, password });
  }
}
