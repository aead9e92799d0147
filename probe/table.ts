import { oneLine } from '../one-line.js'

/** Lines of a name and what is to be said of it, one under the other; what stands in a file may steer no terminal and make no lines. */
export function findingsTable(rows: readonly (readonly [name: string, text: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${oneLine(text)}`)
}
