import { send } from './channel.js';

interface Question {
  prompt: string;
  password: boolean;
  resolve(text: string): void;
  reject(error: Error): void;
}

/** Questions to the person at the notebook, asked one after the other. */
export class Input {
  readonly #questions: Question[] = [];

  /** The global `prompt`: see the declarations that cells are checked against. */
  readonly prompt = (question = '', options: { password?: boolean } = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const password = options.password ?? false;
      this.#questions.push({ prompt: String(question), password, resolve, reject });
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
    if (this.#questions.length > 0) this.#ask();
  }

  /** Forgets the questions of a run that has ended without waiting for answers. */
  abandon(): void {
    this.#questions.length = 0;
  }

  #ask(): void {
    const { prompt, password } = this.#questions[0]!;
    send({ type: 'input', prompt, password });
  }
}
