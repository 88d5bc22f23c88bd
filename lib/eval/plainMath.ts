const VULGAR_FRACTIONS: Readonly<Record<string, string>> = {
  '½': '1/2',
  '⅓': '1/3',
  '⅔': '2/3',
  '¼': '1/4',
  '¾': '3/4',
  '⅕': '1/5',
  '⅖': '2/5',
  '⅗': '3/5',
  '⅘': '4/5',
  '⅙': '1/6',
  '⅚': '5/6',
  '⅛': '1/8',
  '⅜': '3/8',
  '⅝': '5/8',
  '⅞': '7/8',
};

/**
 * Text in which the spellings of one number agree: full-width characters, minus signs, vulgar
 * fractions, and the LaTeX around numbers (fractions, separators, escaped signs, text in formulas)
 * become plain ASCII. Words are left as they are.
 */
export function plainMath(text: string): string {
  return text
    .replace(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[−‒–﹣]/g, '-')
    .replace(/(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])/g, (_, digit: string, glyph: string) =>
      joinMixed(digit, VULGAR_FRACTIONS[glyph] ?? ''),
    )
    .replace(/\\[!]/g, '')
    .replace(/(?<=\d)(?:\{,\}|\\[,;: ]|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))/g, ',')
    .replace(/\^\{?\\circ\}?/g, '')
    .replace(
      /(\d?)\\[cdt]?frac\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))/g,
      (_, digit: string, top?: string, shortTop?: string, bottom?: string, shortBottom?: string) =>
        joinMixed(digit, `${top ?? shortTop}/${bottom ?? shortBottom}`),
    )
    .replace(/\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}/g, ' $1 ')
    .replace(/\\([$%])/g, '$1')
    .replace(/(?<=\d)\s*(?:\\times|\\cdot|[×*x])\s*10\^\{?([+-]?\d{1,3})\}?/g, 'e$1')
    .replace(/\\(?:times|cdot|div)(?![a-zA-Z])/g, '*')
    .replace(/\\(?:[a-zA-Z]+|[()[\]])/g, ' ')
    .replace(/\b(?:USD|EUR|GBP|INR|Rs\.?)\s*(?=\d)/g, '$');
}

function joinMixed(digit: string, fraction: string): string {
  return digit === '' ? fraction : `${digit} ${fraction}`;
}
