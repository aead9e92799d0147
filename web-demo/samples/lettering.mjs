// Letters of strokes on a grid 4 wide and 6 high, so that no font has to be installed.
const STROKES = {
  A: '0,6 2,0 4,6|0.8,4 3.2,4',
  B: '0,6 0,0 3,0 3.7,1.4 3,2.8 0,2.8|3,2.8 4,4.4 3,6 0,6',
  C: '4,1 3,0 1,0 0,1 0,5 1,6 3,6 4,5',
  D: '0,0 0,6 2.6,6 4,4.6 4,1.4 2.6,0 0,0',
  E: '4,0 0,0 0,6 4,6|0,3 3,3',
  F: '4,0 0,0 0,6|0,3 3,3',
  G: '4,1 3,0 1,0 0,1 0,5 1,6 3,6 4,5 4,3 2.4,3',
  H: '0,0 0,6|4,0 4,6|0,3 4,3',
  I: '2,0 2,6',
  K: '0,0 0,6|4,0 0,3.4 4,6',
  L: '0,0 0,6 4,6',
  M: '0,6 0,0 2,3 4,0 4,6',
  N: '0,6 0,0 4,6 4,0',
  O: '1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0',
  P: '0,6 0,0 3,0 4,1 4,2.4 3,3.4 0,3.4',
  R: '0,6 0,0 3,0 4,1 4,2.2 3,3.2 0,3.2|2,3.2 4,6',
  S: '4,1 3,0 1,0 0,1 0,2.2 1,3 3,3 4,3.8 4,5 3,6 1,6 0,5',
  T: '0,0 4,0|2,0 2,6',
  U: '0,0 0,5 1,6 3,6 4,5 4,0',
  Y: '0,0 2,3 4,0|2,3 2,6',
}

/** The strokes of a text as polylines, centred at 0,0, letters 1 high. */
export function strokesOf(text) {
  const advance = 5.6
  return Array.from(text).flatMap((letter, i) =>
    (STROKES[letter] ?? '')
      .split('|')
      .filter(Boolean)
      .map(stroke =>
        stroke.split(' ').map(point => {
          const [x, y] = point.split(',').map(Number)
          return [(x + i * advance - (text.length * advance - 1.6) / 2) / 6, (y - 3) / 6]
        }),
      ),
  )
}

/** As an SVG path centred at x, y. */
export function lettering(text, x, y, size, colour) {
  const d = strokesOf(text)
    .map(points => `M${points.map(([px, py]) => `${(x + px * size).toFixed(2)} ${(y + py * size).toFixed(2)}`).join('L')}`)
    .join('')
  return `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${(size * 0.19).toFixed(2)}" stroke-linecap="round" stroke-linejoin="round"/>`
}
