/** Values of options: text from the command line, checked. */
import { CliError } from './command.js';

/** A reader of integers for commander. */
export function whole(name: string, least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least || value > most) {
      const upTo = most === Number.MAX_SAFE_INTEGER ? 'up' : `to ${most}`;
      throw new CliError(`${name}: expected an integer from ${least} ${upTo}, got '${text}'`, 2);
    }
    return value;
  };
}

/** A reader of numbers for commander. */
export function real(name: string, least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new CliError(`${name}: expected a number from ${least} to ${most}, got '${text}'`, 2);
    }
    return value;
  };
}

/** A reader of devices; whether the machine has it, the engine says. */
export function device(name: string) {
  return (text: string): string => {
    if (/^(auto|cpu|cuda(:\d+)?)$/.test(text)) return text;
    throw new CliError(`${name}: expected auto, cpu, cuda or cuda:N, got '${text}'`, 2);
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** A reader of memory sizes: `8G`, `512M`, or bytes. */
export function bytes(name: string) {
  return (text: string): number => {
    const parts = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
    const value = parts && Number(parts[1]) * (UNITS[(parts[2] ?? '').toLowerCase()] as number);
    if (!value) throw new CliError(`${name}: expected a size such as 8G or 512M, got '${text}'`, 2);
    return Math.floor(value);
  };
}

/** A part of a whole: `2/4` is the second of four. */
export interface Share {
  readonly part: number;
  readonly of: number;
}

/** A reader of shares for commander. */
export function share(name: string) {
  return (text: string): Share => {
    const [, part, of] = (/^(\d+)\/(\d+)$/.exec(text.trim()) ?? []).map(Number);
    if (part === undefined || of === undefined || part < 1 || part > of) {
      throw new CliError(`${name}: expected a part such as 1/4, from 1/4 to 4/4, got '${text}'`, 2);
    }
    return { part, of };
  };
}
