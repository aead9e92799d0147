import { random } from '../../support/draw.js'
import { disguises, tricks } from './disguises.js'
import type { Hostile } from './hostile.js'
import { lyingJpegs } from './lying-jpeg.js'
import { lyingPngs } from './lying-png.js'
import { lyingTiffs } from './lying-tiff.js'
import { lyingAvifs, lyingWebps } from './lying-web.js'
import { damagedPictures } from './whole.js'

/** Everything bad that we know to send, by kind. The seed draws where bytes change; all else is always the same. */
export async function hostileCorpus(seed: number): Promise<Record<string, Hostile[]>> {
  return {
    damaged: await damagedPictures(seed),
    png: lyingPngs(),
    jpeg: await lyingJpegs(),
    webp: await lyingWebps(),
    avif: await lyingAvifs(),
    tiff: lyingTiffs(),
    disguises: await disguises(),
    tricks: await tricks(),
  }
}

/** So many of them, of all kinds in turn. */
export function sample(corpus: Record<string, Hostile[]>, count: number, seed: number): Hostile[] {
  const next = random(seed)
  const kinds = Object.values(corpus).map(files => files.map(file => [next(), file] as const).sort(([a], [b]) => a - b))
  return Array.from({ length: count }, (_, i) => kinds[i % kinds.length]![Math.floor(i / kinds.length)]![1])
}
