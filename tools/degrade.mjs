// Makes a test set of poor pictures: the originals as gt/, and as lq/ what the seeded chain of real-x4 makes of them.
// npm run build && node tools/degrade.mjs -o SET [--seed 1] FOLDER...   (then: uprez eval --data SET)
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, parse } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { resolveConfig } from '../dist/train/config.js'
import { applyDegradation, describeDegradation, drawDegradation } from '../dist/train/degradations/index.js'
import { cropToMultiple, loadPicture } from '../dist/train/pairs.js'
import { randomAt } from '../dist/train/random.js'
import { findSources } from '../dist/train/sources.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: 'string', short: 'o' },
    seed: { type: 'string', default: '1' },
  },
})
if (!values.output || positionals.length === 0 || !/^\d+$/.test(values.seed)) {
  stop('usage: node tools/degrade.mjs -o SET [--seed 1] FOLDER...')
}
// Every picture is to be poor, whatever share of clean ones the preset is trained with.
const { scale, data, degradation } = resolveConfig('real-x4', {
  'data.folders': positionals,
  'data.validation': 0,
  'degradation.clean': 0,
})
const { training, skipped } = await findSources({ ...data, patch: 8 }, scale, true)
for (const { path, reason } of skipped) console.error(`left out ${path}: ${reason}`)
const pictures = training.map(({ path }) => ({ path, name: `${basename(join(path, '..'))}-${parse(path).name}.png` }))
const twice = pictures.find(({ name }, i) => pictures.findIndex(other => other.name === name) !== i)
if (twice) stop(`two pictures would be called ${twice.name}; the second is ${twice.path}`)

await Promise.all(['lq', 'gt'].map(side => mkdir(join(values.output, side), { recursive: true })))
for (const [i, { path, name }] of pictures.entries()) {
  const original = cropToMultiple(await loadPicture(path), scale)
  const plan = drawDegradation(degradation, scale, randomAt(Number(values.seed), i))
  await write(join(values.output, 'gt', name), original)
  await write(join(values.output, 'lq', name), await applyDegradation(plan, original))
  console.log(`${name}: ${describeDegradation(plan)}`)
}

async function write(path, { data, width, height, channels }) {
  await writeFile(path, await sharp(data, { raw: { width, height, channels } }).png().toBuffer())
}

function stop(message) {
  console.error(message)
  process.exit(2)
}
