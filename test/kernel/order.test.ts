import { describe, expect, it } from 'vitest';
import { orderMark, type PlacedEvent } from '../../kernel/link/messages.js';
import { Order } from '../../kernel/server/order.js';

const secret = 'c0ffee';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const said: string[] = [];
  const order = new Order(secret, {
    event: (event) => said.push(event.type === 'stream' ? event.text : event.type),
    text: (descriptor, text) => said.push(`${descriptor}:${text}`),
  });
  const event = (text: string, mark: number, at: PlacedEvent['at'] = [1, 2]): void =>
    order.event({ type: 'stream', run: 1, name: 'stdout', text, mark, at });
  return { order, said, event };
}

describe('the order of events and plain outputs', () => {
  it('is that of the marks, whichever pipe is read first', async () => {
    const { order, said, event } = setUp();
    order.text(1, `a${orderMark(secret, 1)}b${orderMark(secret, 2)}c`);
    event('one', 1);
    event('two', 2);
    expect(said).toEqual(['1:a']);
    order.text(2, `${orderMark(secret, 1)}${orderMark(secret, 2)}`);
    await turn();
    expect(said).toEqual(['1:a', 'one', '1:b', 'two', '1:c']);
  });

  it('holds what may be the beginning of a mark, and puts cut marks together', async () => {
    const { order, said, event } = setUp();
    const mark = orderMark(secret, 1);
    order.text(1, `a\u0000b${mark.slice(0, 4)}`);
    await turn();
    order.text(1, `${mark.slice(4)}c`);
    event('one', 1, [1]);
    await turn();
    expect(said.join(' ').replaceAll('1:', '')).toBe('a\u0000b one c');
  });

  it('lets a burst without marks through, in front of what was printed after it', async () => {
    const { order, said, event } = setUp();
    order.text(1, 'printed');
    event('one', 1, []);
    event('two', 2, []);
    await turn();
    expect(said).toEqual(['one', 'two', '1:printed']);
  });

  it('skips the marks of events that never came', async () => {
    const { order, said, event } = setUp();
    order.text(1, `a${orderMark(secret, 1)}b${orderMark(secret, 2)}c`);
    event('two', 2, [1]);
    await turn();
    expect(said).toEqual(['1:a', '1:b', 'two', '1:c']);
  });

  it('does without an output whose marks do not come any more', async () => {
    const { order, said, event } = setUp();
    event('one', 1);
    order.text(2, orderMark(secret, 1));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(said).toEqual(['one']);
    order.text(1, 'a');
    event('two', 2, [1]);
    await turn();
    expect(said.slice(1).sort()).toEqual(['1:a', 'two']);
  });

  it('ends with all that is left', () => {
    const { order, said, event } = setUp();
    order.text(1, `a${orderMark(secret, 1)}b\u0000`);
    event('two', 2);
    order.close();
    expect(said.join('|')).toBe('1:a|1:b|two|1:\u0000');
  });
});
