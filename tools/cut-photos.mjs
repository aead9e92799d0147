// Cuts photographs into textured squares to train on: each is first reduced, so that camera noise and JPEG blocks are gone.
// node tools/cut-photos.mjs -o photos/ [--side 480] [--reduce 1.6] [--each 5] [--texture 4] FOLDER...
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: 'string', short: 'o' },
    side: { type: 'string', default: '480' },
    reduce: { type: 'string', default: '1.6' },
    each: { type: 'string', default: '5' },
    texture: { type: 'string', default: '4' },
  },
})
if (!values.output || positionals.length === 0) {
  console.error('usage: node tools/cut-photos.mjs -o OUTPUT [--side 480] [--reduce 1.6] [--each 5] [--texture 4] FOLDER...')
  process.exit(2)
}
const [side, reduce, each, texture] = [values.side, values.reduce, values.each, values.texture].map(Number)

await mkdir(values.output, { recursive: true })
let written = 0
for (const { path, name } of await photographs(positionals)) {
  try {
    written += await cut(path, name)
  } catch (error) {
    console.error(`left out ${path}: ${error.message.split('\n')[0]}`)
  }
}
console.log(`${written} squares of ${side}×${side} in ${values.output}`)

async function photographs(folders) {
  const found = []
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter(entry => entry.isFile() && /\.(png|jpe?g|webp|avif|tiff?)$/i.test(entry.name))
    const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
    found.push(...paths.map(path => ({ path, name: nameOf(folder, path) })))
  }
  return found
}

/** Tells photographs of the same name apart by their folders. */
function nameOf(folder, path) {
  const place = relative(dirname(resolve(folder)), resolve(path))
  return place.slice(0, -extname(place).length).replaceAll(sep, '-')
}

function rgb(image) {
  return image.raw().toBuffer({ resolveWithObject: true })
}

function open({ data, info: { width, height, channels } }) {
  return sharp(data, { raw: { width, height, channels } })
}

/** Writes the most textured squares of one photograph. */
async function cut(path, name) {
  const whole = await rgb(sharp(path).autoOrient().toColourspace('srgb').removeAlpha())
  const width = Math.floor(whole.info.width / reduce)
  const height = Math.floor(whole.info.height / reduce)
  if (Math.min(width, height) < side) throw new Error(`${whole.info.width}×${whole.info.height} is too small`)
  const reduced = await rgb(open(whole).resize({ width, height, fit: 'fill', kernel: 'cubic' }))
  const grey = await open(reduced).greyscale().raw().toBuffer({ resolveWithObject: true })
  const squares = []
  for (let top = 0; top + side <= grey.info.height; top += side) {
    for (let left = 0; left + side <= grey.info.width; left += side) squares.push({ left, top, texture: textureOf(grey, left, top) })
  }
  const kept = squares
    .filter(square => square.texture >= texture)
    .sort((a, b) => b.texture - a.texture)
    .slice(0, each)
  for (const [i, { left, top }] of kept.entries()) {
    const file = join(values.output, `${name}_${i + 1}.jpg`)
    const square = open(reduced).extract({ left, top, width: side, height: side })
    await square.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toFile(file)
  }
  return kept.length
}

/** Mean difference between neighbours, of 255: sky has about 1, foliage 10 and more. */
function textureOf({ data, info: { width } }, left, top) {
  let sum = 0
  for (let y = top; y < top + side - 1; y++) {
    for (let x = left; x < left + side - 1; x++) {
      const at = y * width + x
      sum += Math.abs(data[at + 1] - data[at]) + Math.abs(data[at + width] - data[at])
    }
  }
  return sum / (2 * (side - 1) ** 2)
}
