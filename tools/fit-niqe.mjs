// Fits NIQE's pristine model to a folder of photographs and writes image/niqe-model.ts. The same photographs give the same file.
// npm run build && node tools/fit-niqe.mjs FOLDER "where they come from" "their licence"
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [folder, source, licence] = process.argv.slice(2)
if (licence === undefined) {
  console.error('usage: node tools/fit-niqe.mjs FOLDER SOURCE LICENCE')
  process.exit(2)
}
const { decode } = await import(join(root, 'dist/infer/files.js'))
const { fitPristine, pristineBlocks } = await import(join(root, 'dist/image/niqe.js'))

const files = readdirSync(folder)
  .filter(name => /^[^.].*\.(png|jpe?g|webp|avif|tiff?)$/i.test(name))
  .sort()
const blocks = []
for (const [i, name] of files.entries()) {
  const { image } = await decode(readFileSync(join(folder, name)), { maxInputPixels: Number.MAX_SAFE_INTEGER })
  blocks.push(...pristineBlocks(image))
  if ((i + 1) % 50 === 0 || i + 1 === files.length) console.error(`${i + 1}/${files.length} photographs, ${blocks.length} blocks`)
}
const { mean, covariance } = fitPristine(blocks)
const target = join(root, 'image/niqe-model.ts')
writeFileSync(
  target,
  `import type { PristineModel } from './niqe.js'

/**
 * Made by tools/fit-niqe.mjs from ${blocks.length} blocks of ${files.length} photographs. Only these numbers are kept of them.
 * Source: ${source}.
 * Licence: ${licence}.
 */
export const PRISTINE: PristineModel = ${JSON.stringify({ mean, covariance })}
`,
)
spawnSync(process.execPath, [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'format', '--write', target], { stdio: 'inherit' })
