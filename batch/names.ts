import { posix } from 'node:path'
import { UprezError } from '../errors.js'
import type { OutputFormat } from '../infer/engine.js'
import { EXTENSIONS } from '../infer/format-of-name.js'

/** What the name of an output depends on. */
export interface Source {
  path: string
  /** Place in the mirrored tree, with "/". */
  place: string
  format: OutputFormat
}

/**
 * The output's place for every source: same folder, same stem, `suffix`, the format's extension (the source's own
 * spelling where it says the same format). Where two would meet, letter case aside, all of them keep their whole name:
 *
 *     a.jpg, a.png → a.jpg.png, a.png.png        (-f png)
 *
 * The names depend on the set of sources alone, never on their order or on what is already there.
 * @throws UprezError `invalid-option` where even whole names meet (two files of one name given by hand)
 */
export function nameOutputs(sources: readonly Source[], suffix: string): string[] {
  const whole = sources.map(() => false)
  const names = sources.map(source => nameOutput(source, suffix, false))
  for (let meeting = meetingGroups(names, fold); meeting.some(group => group.some(i => !whole[i])); meeting = meetingGroups(names, fold)) {
    for (const i of meeting.flat()) {
      whole[i] = true
      names[i] = nameOutput(sources[i]!, suffix, true)
    }
  }
  const stuck = meetingGroups(names, name => name)[0]
  if (stuck === undefined) return names
  const [a, b] = stuck.map(i => sources[i]!.path)
  throw new UprezError('invalid-option', `--input: ${a} and ${b} would both become ${names[stuck[0]!]}; give their folders instead`, {
    param: 'input',
  })
}

function nameOutput({ place, format }: Source, suffix: string, whole: boolean): string {
  const { dir, name, ext, base } = posix.parse(place)
  const extension = !whole && EXTENSIONS[format].includes(ext.toLowerCase()) ? ext : `.${format}`
  return posix.join(dir, `${whole ? base : name}${suffix}${extension}`)
}

/** Indices of the names that are equal under `key`, group by group. */
function meetingGroups(names: readonly string[], key: (name: string) => string): number[][] {
  const groups = new Map<string, number[]>()
  for (const [i, name] of names.entries()) {
    const group = groups.get(key(name))
    if (group === undefined) groups.set(key(name), [i])
    else group.push(i)
  }
  return [...groups.values()].filter(group => group.length > 1)
}

/** What a file system that ignores case or Unicode forms would compare. */
function fold(name: string): string {
  return name.normalize('NFC').toLowerCase()
}
