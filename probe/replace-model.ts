import { readdir } from 'node:fs/promises'
import { replaceFolder } from '../atomic.js'
import { oneLine } from '../one-line.js'

/**
 * Writes a model folder in place of what stands there, and says what of that is in it no more: variants that were not asked for again, a
 * licence that somebody put there.
 * @param fill writes the new one into the folder that it gets
 * @throws UprezError `not-writable`, and what `fill` throws
 */
export function replaceModel(dir: string, say: (line: string) => void, fill: (temporary: string) => Promise<void>): Promise<void> {
  return replaceFolder(dir, async temporary => {
    await fill(temporary)
    const [old, made] = [await readdir(dir).catch(() => []), await readdir(temporary)]
    const gone = old.filter(name => !made.includes(name)).sort()
    if (gone.length > 0) say(`${dir} is replaced as a whole; removed from it: ${gone.map(oneLine).join(', ')}`)
  })
}
