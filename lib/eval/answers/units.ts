/** Units, currencies and percent signs around a number. */

/** A number's source without what is around it. */
export interface Measured {
  readonly body: string;
  /** One name for all spellings of a unit. */
  readonly unit?: string;
  readonly percent: boolean;
}

const NAMES: Readonly<Record<string, string>> = {
  centimeter: 'cm',
  centimetre: 'cm',
  millimeter: 'mm',
  millimetre: 'mm',
  kilometer: 'km',
  kilometre: 'km',
  meter: 'm',
  metre: 'm',
  inch: 'in',
  inche: 'in',
  foot: 'ft',
  feet: 'ft',
  yard: 'yd',
  mile: 'mi',
  gram: 'g',
  kilogram: 'kg',
  pound: 'lb',
  lb: 'lb',
  ounce: 'oz',
  liter: 'l',
  litre: 'l',
  second: 'sec',
  minute: 'min',
  hour: 'hr',
  h: 'hr',
  'mile per hour': 'mph',
  'mi/h': 'mph',
  'mi/hr': 'mph',
  dollar: '$',
  cent: 'cent',
  degree: 'degree',
  people: 'person',
  children: 'child',
};

/** Words that may follow a number without \text. */
const PLAIN =
  /^(?:square |cubic |sq\.? |cu\.? )?(?:cm|mm|km|m|in|ft|yd|mi|kg|g|mg|lbs?|oz|ml|L|mph|hrs?|min|sec|s|dollars?|cents?|degrees?|units?|inch(?:es)?|f(?:ee|oo)t|yards?|miles?|(?:centi|milli|kilo)?met(?:er|re)s?|(?:kilo)?grams?|pounds?|ounces?|lit(?:er|re)s?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|people|ways?|times|students?|apples?|points?|miles per hour)\.?$/;

function nameOf(text: string, power: string | undefined): string | undefined {
  let words = text
    .toLowerCase()
    .replace(/[.,{}\\]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  let degree = power?.replace(/[^\d]/g, '') ?? '';
  const prefix = /^(?:square|sq) /.exec(words) ? '2' : /^(?:cubic|cu) /.exec(words) ? '3' : '';
  if (prefix) {
    words = words.replace(/^\w+ /, '');
    degree = prefix;
  }
  const [first = '', ...more] = words.split(' ');
  const singular = first.length > 2 && !/ss$/.test(first) ? first.replace(/s$/, '') : first;
  const name = [singular, ...more].join(' ');
  if (name === 'unit' || name === '') return undefined;
  return `${NAMES[name] ?? name}${degree === '1' ? '' : degree}`;
}

/** Takes a unit, a currency or a percent sign off; the body is empty where nothing else is there. */
export function measured(source: string): Measured {
  let body = source.trim();
  let unit: string | undefined;
  const percent = false;
  const currency = /^(-?)\s*(?:\\\$|\\text\s*\{\s*\\?\$\s*\}|\\pounds)\s*/.exec(body);
  if (currency) {
    body = `${currency[1]}${body.slice(currency[0].length)}`;
    unit = '$';
  }
  const sign = /\s*(?:\\?%|\\text\s*\{\s*(?:percent|\\?%)\s*\}|\bpercent)$/.exec(body);
  if (sign && sign.index > 0) return { body: body.slice(0, sign.index).trim(), percent: true };
  const isFunction = /\\?(?:sin|cos|tan|cot|sec|csc)/.test(body);
  const degrees = /\s*\^\s*(?:\\circ|\{\s*\\circ\s*\})\s*(?:\\text\s*\{\s*)?([CF])?\s*\}?$/.exec(
    body,
  );
  if (degrees && degrees.index > 0 && !isFunction) {
    return {
      body: body.slice(0, degrees.index).trim(),
      unit: `degree${degrees[1] ?? ''}`,
      percent,
    };
  }
  const text =
    /^(.*[\d)}\]!A-Za-z])\s*\\(?:text|mbox|mathrm|textrm)\s*\{([^{}]*)\}\s*(\^\s*\{?\d\}?)?$/s.exec(
      body,
    );
  if (text && !/^\\(?:text|mbox|mathrm|textrm)\s*\{/.test(body)) {
    const inside = (text[2] as string).trim();
    const [, words = inside, inner] = /^(.*?)\s*(\^\s*\{?\d\}?)$/.exec(inside) ?? [];
    if (/^[A-Za-z°/. -]+$/.test(words)) {
      const name = nameOf(words, text[3] ?? inner);
      return { body: (text[1] as string).trim(), ...(name && { unit: name }), percent };
    }
    if (inside === '') return measured(text[1] as string);
  }
  const plain = /^(.*[\d)}])\s*([A-Za-z][A-Za-z. ]*)(\^\s*\{?\d\}?)?$/.exec(body);
  if (plain && PLAIN.test((plain[2] as string).trim()) && /\d/.test(plain[1] as string)) {
    // 3m and 2s may be products; with a space before them, or as words, they are units.
    const words = (plain[2] as string).trim();
    const apart = /\s/.test(body[(plain[1] as string).length] ?? '');
    if (words.length > 2 || apart) {
      const name = nameOf(words, plain[3]);
      return { body: (plain[1] as string).trim(), ...(name && { unit: name }), percent };
    }
  }
  return { body, ...(unit && { unit }), percent };
}
