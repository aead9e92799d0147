// Where do enlarged pictures hold more power than their originals? A grid or lattice that a generator draws stands out.
//
//   node tools/spectrum.mjs ORIGINALS ENLARGED…
//
// ENLARGED are folders of `uprez eval --save-images`, which name their pictures as ORIGINALS does, or with .png behind. For each: the
// largest ratio of the mean power spectra of luma (Hann-weighted windows of 32×32, every 48 pixels) among the frequencies whose u + v
// is more than 6/32 a pixel, and where it is. Natural blur is below 1 there.
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import sharp from 'sharp'

const SIDE = 32
const STEP = 48
const LEAST = 6

const hann = Float64Array.from({ length: SIDE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIDE))
const wave = Array.from({ length: SIDE }, (_, k) =>
  Array.from({ length: SIDE }, (_, x) => [Math.cos((2 * Math.PI * k * x) / SIDE), -Math.sin((2 * Math.PI * k * x) / SIDE)]),
)

/** A quarter of the plane: upright patterns are symmetric, and of a slanted one enough comes here to be seen. */
const HALF = Array.from({ length: SIDE / 2 + 1 }, (_, k) => k)
const FREQUENCIES = HALF.flatMap(v => HALF.map(u => ({ u, v, at: v * HALF.length + u })))

const [originals, ...enlarged] = process.argv.slice(2)
if (enlarged.length === 0) {
  console.error('usage: node tools/spectrum.mjs ORIGINALS ENLARGED…')
  process.exit(2)
}
const names = readdirSync(originals)
const natural = await meanPower(names.map(name => join(originals, name)))
for (const folder of enlarged) {
  const files = names.map(name => [name, `${name}.png`].map(each => join(folder, each)).find(existsSync))
  const power = await meanPower(files.filter(file => file !== undefined))
  let largest = { ratio: 0, u: 0, v: 0 }
  for (const { u, v, at } of FREQUENCIES) {
    const ratio = power[at] / natural[at]
    if (u + v > LEAST && ratio > largest.ratio) largest = { ratio, u, v }
  }
  console.log(`${basename(folder)}: ${largest.ratio.toFixed(2)} at (${largest.u}, ${largest.v})/${SIDE}`)
}

async function meanPower(files) {
  const sums = new Float64Array(FREQUENCIES.length)
  let windows = 0
  for (const file of files) {
    const { data, info } = await sharp(file).removeAlpha().greyscale().raw().toBuffer({ resolveWithObject: true })
    for (let top = 0; top + SIDE <= info.height; top += STEP) {
      for (let left = 0; left + SIDE <= info.width; left += STEP, windows++) {
        addPower(sums, (y, x) => data[((top + y) * info.width + left + x) * info.channels] * hann[y] * hann[x])
      }
    }
  }
  return sums.map(sum => sum / windows)
}

function addPower(sums, pixel) {
  const rows = Array.from({ length: SIDE }, (_, y) => transform(x => [pixel(y, x), 0]))
  const columns = HALF.map(u => transform(y => rows[y][u]))
  for (const { u, v, at } of FREQUENCIES) sums[at] += columns[u][v][0] ** 2 + columns[u][v][1] ** 2
}

/** The first half of a discrete Fourier transform of complex numbers. */
function transform(value) {
  const values = Array.from({ length: SIDE }, (_, x) => value(x))
  return HALF.map(k => {
    let [real, imaginary] = [0, 0]
    for (const [x, [a, b]] of values.entries()) {
      const [cos, sin] = wave[k][x]
      real += a * cos - b * sin
      imaginary += a * sin + b * cos
    }
    return [real, imaginary]
  })
}
