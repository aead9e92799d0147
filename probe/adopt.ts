import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseCard, type UpscaleCard } from '../models/card.js'
import { readGraph } from '../models/catalog.js'
import { type FileOptions, findingLines, modelOfFile, textOf } from './model-of-file.js'
import { replaceModel } from './replace-model.js'

export interface AdoptFileOptions extends FileOptions {
  file: string
  /** The model folder to write. */
  dir: string
  id: string
  title?: string
  purpose?: string
  licence?: string
}

/**
 * Makes a model folder of somebody's `.onnx` file: the file as it is, and a card of what was found out about it, or of what a card beside
 * it says. Other files that such a card names are not taken along.
 * @throws UprezError what `modelOfFile` throws; `not-writable`
 */
export async function adoptFile({
  file,
  dir,
  id,
  title,
  purpose,
  licence,
  say = () => {},
}: AdoptFileOptions): Promise<{ dir: string; card: UpscaleCard }> {
  let told = false
  const model = await modelOfFile(file, {
    say: line => {
      told = true
      say(line)
    },
  })
  const { card: found } = model
  const words = { title: title ?? found.title.replace(found.id, id), purpose: purpose ?? found.purpose, licence: licence ?? found.licence }
  const card = parseCard({ ...found, id, ...words, model: { ...found.model, file: 'model.onnx' }, variants: {} }, `${dir}/card.json`)
  const bytes = await readGraph(model, found.model)
  await replaceModel(dir, say, async temporary => {
    await writeFile(join(temporary, 'model.onnx'), bytes)
    await writeFile(join(temporary, 'card.json'), textOf(card))
  })
  // Where it was found out before, what was found has not been said.
  if (!told) for (const line of findingLines(card)) say(line)
  return { dir, card }
}
