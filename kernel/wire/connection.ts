import { chmodSync, readFileSync, statSync } from 'node:fs';

/** The five sockets of a Jupyter kernel, by the names of the connection file's ports. */
export const channels = ['shell', 'iopub', 'stdin', 'control', 'hb'] as const;

/** One of the five sockets of a kernel. */
export type Channel = (typeof channels)[number];

/** What a front end writes into the connection file of a kernel it starts. */
export interface Connection {
  transport: 'tcp' | 'ipc';
  ip: string;
  ports: Record<Channel, number>;
  /** Shared secret that signs every message; empty when messages are not signed. */
  key: string;
  /** Name of the hash inside the HMAC, such as `sha256`. */
  hash: string;
}

/**
 * Reads and checks a connection file.
 *
 * @param path The file named on the kernel's command line.
 * @returns The addresses and the key.
 * @throws Error naming the file and the field when it is missing, unreadable or malformed.
 */
export function readConnection(path: string): Connection {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`connection file ${path} cannot be read: ${(error as Error).message}`);
  }
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`connection file ${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new Error(`connection file ${path}: expected an object, got ${text.slice(0, 40)}`);
  }
  const bad = (name: string, expected: string): Error =>
    new Error(
      `connection file ${path}: field ${name}: expected ${expected}, got ${JSON.stringify(fields[name])}`,
    );
  const transport = fields.transport ?? 'tcp';
  if (transport !== 'tcp' && transport !== 'ipc') throw bad('transport', '"tcp" or "ipc"');
  const ip = fields.ip;
  if (typeof ip !== 'string' || ip === '') throw bad('ip', 'an address');
  const key = fields.key ?? '';
  if (typeof key !== 'string') throw bad('key', 'a string');
  const scheme = fields.signature_scheme || 'hmac-sha256';
  if (typeof scheme !== 'string' || !/^hmac-[a-z0-9-]+$/.test(scheme)) {
    throw bad('signature_scheme', '"hmac-" and the name of a hash');
  }
  const ports = {} as Record<Channel, number>;
  for (const channel of channels) {
    const port = fields[`${channel}_port`];
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) {
      throw bad(`${channel}_port`, 'a port number');
    }
    ports[channel] = port;
  }
  return { transport, ip, ports, key, hash: scheme.slice('hmac-'.length) };
}

/** Takes a connection file, which holds the key, out of the reach of other users. */
export function keepPrivate(path: string, warn: (text: string) => void): void {
  if (process.platform === 'win32') return;
  try {
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) === 0) return;
    chmodSync(path, 0o600);
    warn(
      `connection file ${path} was readable by others (mode ${mode.toString(8)}); now it is not`,
    );
  } catch (error) {
    warn(`connection file ${path} may be readable by others: ${(error as Error).message}`);
  }
}

/** Address of one socket in the form that ZeroMQ binds. */
export function address(connection: Connection, channel: Channel): string {
  const port = connection.ports[channel];
  return connection.transport === 'ipc'
    ? `ipc://${connection.ip}-${port}`
    : `tcp://${connection.ip}:${port}`;
}
