import type { Comparison } from './statistics.js'

/** One line of the table. */
export type Row = Compared | Measured | NotMeasured

export interface Compared {
  name: string
  unit: string
  /** What ran on each side. */
  ours: string
  peer: string
  result: Comparison
  /** What else was measured of ours. */
  beside?: Figure[]
}

export interface Measured {
  name: string
  unit: string
  ours: string
  value: number
  /** Why there is no peer beside it, where there should be one. */
  noPeer?: string
  beside?: Figure[]
}

export interface Figure {
  name: string
  value: number
  unit: string
}

export interface NotMeasured {
  name: string
  /** Why not, and what would change that. */
  reason: string
}

/** The rows as a table for people, and below it what each side was. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(row => {
    if ('reason' in row) return [row.name, `not measured: ${row.reason}`]
    if ('value' in row) {
      const more = [...(row.noPeer === undefined ? [] : [`not measured: ${row.noPeer}`]), ...figures(row)]
      return [row.name, `${figure(row.value)} ${row.unit}`, ...(more.length > 0 ? [more.join('; ')] : [])]
    }
    const { ours, peer, ratio, lowest, highest, pairs } = row.result
    const spread = `${lowest.toFixed(2)}–${highest.toFixed(2)}, ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}`
    const compared = [`${ratio.toFixed(3)}  (${spread})`, ...figures(row)].join('; ')
    return [row.name, `${figure(ours)} ${row.unit}`, figure(peer), compared]
  })
  const all = [['', 'ours', 'peer', 'ours / peer'], ...cells]
  // The last cell of a row may be as long as it likes.
  const widths = [0, 1, 2].map(column => Math.max(...all.map(row => (column < row.length - 1 ? row[column]!.length : 0))))
  const lines = all.map(row => row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i]!) : cell)).join('  '))
  const notes = rows.flatMap(row => {
    if ('reason' in row) return []
    return [`${row.name}`, `    ours: ${row.ours}`, ...('peer' in row ? [`    peer: ${row.peer}`] : [])]
  })
  return [...lines, '', 'What ran:', ...notes].join('\n')
}

function figures({ beside = [] }: { beside?: Figure[] }): string[] {
  return beside.length === 0 ? [] : [beside.map(({ name, value, unit }) => `${name} ${figure(value)} ${unit}`).join(', ')]
}

/** Three digits that mean something. */
function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
