import { between, pick } from './part.js'

/** Options in the query and in the form: some as they should be, some as nobody would ask, and both beside each other. */
export function drawOptions(next: () => number): { query: string; fields: Record<string, string> } {
  const draw = (): [string, string][] => Array.from({ length: pick(next, [0, 1, 1, 2, 20]) }, () => drawOption(next))
  const query = next() < 0.1 ? pick(next, RAW) : new URLSearchParams(draw()).toString()
  return { query: query === '' ? '' : `?${query}`, fields: Object.fromEntries(draw()) }
}

function drawOption(next: () => number): [name: string, value: string] {
  const [name, values] = pick(next, Object.entries(USUAL))
  const number = between(next, 1, 60).toFixed(pick(next, [0, 0, 2]))
  const value = next() < 0.7 ? pick(next, values.length === 0 ? [number] : values) : pick(next, ODD)
  return [next() < 0.9 ? name : pick(next, OTHERS), value]
}

/** Values that will do; any number where none is named. */
const USUAL: Record<string, string[]> = {
  model: ['fast-x4'],
  scale: [],
  width: [],
  height: [],
  longest: [],
  format: ['auto', 'png', 'jpg', 'webp', 'avif', 'tiff'],
  depth: ['auto', '8', '16'],
  dpi: ['keep', 'scale', '300'],
  page: ['1'],
  quality: [],
  tile: ['0', '16', '17', '256'],
  tta: ['true', 'false'],
}
const OTHERS = ['Scale', 'scale ', 'scale[]', 'scale[x]', '__proto__', 'constructor', 'toString', '', 'x'.repeat(300), '\u{1f600}', '\0']
const RAW = ['%', '%E0%A4%A', '&&&', '=', '==', 'scale=2=3', '?scale=2', 'scale', 'a=1&'.repeat(2000), 'scale=%00', 'scale=2;width=3']
const ODD = [
  ...['', ' ', '-1', '0', '-0', '1e3', '1e309', '0x10', 'NaN', 'Infinity', '2,5', '٣', '9'.repeat(200), '1/0', 'null', '\0'],
  ...['16384', '65536', '4294967296', '100000000', '0.009', '64.01', '101'],
  ...['TRUE', 'jpeg', 'svg', 'PNG', 'fast-x5', '../fast-x4', '[object Object]'],
]
