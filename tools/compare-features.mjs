// How layers of the feature network judge distortions of equal mean squared error: the table of docs/features.md.
// npm run build && node tools/compare-features.mjs FOLDER [photographs]
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LAYERS = [
  'activation_1',
  'batch_normalization_3',
  'batch_normalization_4',
  'batch_normalization_5',
  'activation_5',
  'mixed0',
  'mixed2',
]
const SIDE = 96
/** Cut away after distorting, so that no border tells. */
const MARGIN = 8
const WHOLE = SIDE + 2 * MARGIN

const root = fileURLToPath(new URL('..', import.meta.url))
const [folder, most = '60'] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node tools/compare-features.mjs FOLDER [photographs]')
  process.exit(2)
}
const load = file => import(join(root, process.env.UPREZ_DIST ?? 'dist', file))
const { decode } = await load('infer/files.js')
const { resize } = await load('image/resize.js')
const { useEngine } = await load('nets/engine.js')
const { nativeAddon } = await load('nets/native.js')
const { loadInception } = await load('nets/features/inception.js')
const { tapLayers } = await load('nets/features/tap.js')

const next = generator(7)
const tf = await useEngine(nativeAddon() ? 'tensorflow' : 'wasm')
const networks = { trained: await loadInception(tf), shuffled: shuffled(await loadInception(tf)) }
const taps = Object.fromEntries(Object.entries(networks).map(([name, network]) => [name, tapLayers(tf, network, LAYERS)]))

const files = readdirSync(folder)
  .filter(name => /\.(png|jpe?g|webp)$/i.test(name))
  .sort()
const chosen = files.filter((_, i) => i % Math.max(1, Math.floor(files.length / Number(most))) === 0).slice(0, Number(most))
/** By layer and distortion, one distance a photograph. */
const distances = {}
for (const [i, name] of chosen.entries()) {
  const { image } = await decode(readFileSync(join(folder, name)), { maxInputPixels: Number.MAX_SAFE_INTEGER })
  const { original, distorted } = distort(liveliest(image))
  for (const [what, pixels] of Object.entries(distorted)) {
    for (const [layer, distance] of Object.entries(measure(original, pixels))) {
      distances[layer] ??= {}
      distances[layer][what] ??= []
      distances[layer][what].push(distance)
    }
  }
  process.stderr.write(`\r${i + 1}/${chosen.length} photographs`)
}
process.stderr.write('\n')

const what = Object.keys(distances.pixels)
console.log(
  `| mean absolute difference, relative to blur's | ${what.slice(1).join(' | ')} |\n|---|${what
    .slice(1)
    .map(() => '---:|')
    .join('')}`,
)
for (const [layer, by] of Object.entries(distances)) {
  const cells = what.slice(1).map(name => geometricMean(by[name].map((value, i) => value / by.blur[i])).toFixed(2))
  console.log(`| ${layer} | ${cells.join(' | ')} |`)
}

/**
 * Blur, a shift, noise and less contrast at the mean squared error of a bicubic enlargement by 4; that enlargement with the
 * original's own detail two pixels beside its place, and with noise of the same energy: both about twice that error.
 */
function distort(whole) {
  const original = inner(whole)
  const enlarged = bicubic(whole)
  const detail = whole.map((value, i) => value - enlarged[i])
  const goal = error(inner(enlarged), original)
  const at = (change, high) => inner(change(solve(t => error(inner(change(t)), original), goal, high)))
  const noisy = (pixels, deviation) => pixels.map(value => value + deviation * gauss())
  const mean = original.reduce((sum, value) => sum + value, 0) / original.length
  const lost = Math.sqrt(inner(detail).reduce((sum, value) => sum + value * value, 0) / original.length)
  return {
    original,
    distorted: {
      blur: at(sigma => blurred(whole, sigma), 6),
      shift: at(pixels => shifted(whole, pixels, 0), MARGIN - 1),
      noise: noisy(original, Math.sqrt(goal)),
      contrast: at(t => whole.map(value => value + t * (mean - value)), 1),
      bicubic: inner(enlarged),
      'bicubic + detail misplaced': inner(shifted(detail, 2, 1).map((value, i) => value + enlarged[i])),
      'bicubic + noise': noisy(inner(enlarged), lost),
    },
  }
}

function measure(a, b) {
  return tf.tidy(() => {
    const both = tf.tensor4d(Float32Array.from([...a, ...b]), [2, SIDE, SIDE, 3])
    const maps = Object.entries(taps).flatMap(([network, tap]) =>
      Object.entries(tap(both)).map(([layer, map]) => [`${layer}, ${network}`, map]),
    )
    return Object.fromEntries(
      [['pixels', both], ...maps].map(([name, map]) => {
        const [x, y] = tf.split(map, 2)
        return [name, tf.abs(tf.sub(x, y)).mean().dataSync()[0]]
      }),
    )
  })
}

/** The same numbers in every kernel, in any order: what the architecture does by itself. */
function shuffled(network) {
  for (const layer of network.layers.filter(layer => layer.getClassName() === 'Conv2D')) {
    const [kernel] = layer.getWeights()
    const values = kernel.dataSync().slice()
    for (let i = values.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1))
      ;[values[i], values[j]] = [values[j], values[i]]
    }
    layer.setWeights([tf.tensor(values, kernel.shape)])
  }
  return network
}

/** Of six random places the one with most to lose. */
function liveliest(image) {
  const places = Array.from({ length: 6 }, () => {
    const [x, y] = [image.width, image.height].map(side => Math.floor(next() * (side - WHOLE)))
    const pixels = new Float64Array(WHOLE * WHOLE * 3)
    for (let row = 0; row < WHOLE; row++) {
      const from = ((y + row) * image.width + x) * image.channels
      for (let i = 0; i < WHOLE * 3; i++)
        pixels[row * WHOLE * 3 + i] = image.data[from + Math.floor(i / 3) * image.channels + (i % 3)] / 255
    }
    return { pixels, loss: error(pixels, blurred(pixels, 2)) }
  })
  return places.sort((a, b) => b.loss - a.loss)[0].pixels
}

function bicubic(pixels) {
  const image = {
    data: Uint8Array.from(pixels, value => Math.round(255 * Math.min(1, Math.max(0, value)))),
    width: WHOLE,
    height: WHOLE,
    channels: 3,
  }
  const low = resize(image, { width: WHOLE / 4, height: WHOLE / 4, kernel: 'bicubic' })
  return Float64Array.from(resize(low, { width: WHOLE, height: WHOLE, kernel: 'bicubic' }).data, value => value / 255)
}

function blurred(pixels, sigma) {
  const reach = Math.ceil(3 * sigma)
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)))
  const sum = kernel.reduce((total, value) => total + value, 0)
  const pass = (source, dx, dy) =>
    everywhere(
      (x, y, c) => kernel.reduce((total, weight, i) => total + weight * at(source, x + (i - reach) * dx, y + (i - reach) * dy, c), 0) / sum,
    )
  return pass(pass(pixels, 1, 0), 0, 1)
}

function shifted(pixels, dx, dy) {
  const [left, top] = [Math.floor(dx), Math.floor(dy)]
  const [u, v] = [dx - left, dy - top]
  return everywhere((x, y, c) => {
    const row = j => (1 - u) * at(pixels, x + left, y + top + j, c) + u * at(pixels, x + left + 1, y + top + j, c)
    return (1 - v) * row(0) + v * row(1)
  })
}

function everywhere(value) {
  return Float64Array.from({ length: WHOLE * WHOLE * 3 }, (_, i) => value(Math.floor(i / 3) % WHOLE, Math.floor(i / 3 / WHOLE), i % 3))
}

function at(pixels, x, y, c) {
  const clamp = value => Math.min(WHOLE - 1, Math.max(0, value))
  return pixels[(clamp(y) * WHOLE + clamp(x)) * 3 + c]
}

function inner(pixels) {
  return Float64Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)]
    return pixels[((y + MARGIN) * WHOLE + x + MARGIN) * 3 + (i % 3)]
  })
}

function error(a, b) {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length
}

/** Where a growing function reaches a goal, between 0 and `high`. */
function solve(value, goal, high) {
  let low = 0
  for (let i = 0; i < 14; i++) {
    const middle = (low + high) / 2
    if (value(middle) < goal) low = middle
    else high = middle
  }
  return (low + high) / 2
}

function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

function generator(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function gauss() {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}
