import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Image } from '../../image/image.js'
import type { Infer } from '../../runtime/infer.js'
import { symmetriesFor, turn, turnBack, UNTURNED } from '../../runtime/tta.js'
import { upscale } from '../../runtime/upscale.js'
import { drawAlpha, drawNoise, fill } from '../support/draw.js'
import { cardWith, convolution, nearest } from './models.js'

const all = symmetriesFor({ fixedSize: null })

test('the eight symmetries are eight different pictures, and each is undone', () => {
  const image = drawNoise(5, 3)
  const turned = all.map(symmetry => turn(image, symmetry))
  assert.equal(new Set(turned.map(({ width, height, data }) => `${width}×${height} ${data}`)).size, 8)
  assert.equal(turned.filter(({ width, height }) => width === 3 && height === 5).length, 4)
  for (const [i, symmetry] of all.entries()) assert.deepEqual(turnBack(turned[i]!, symmetry), image)
})

test('what exchanged, mirrored and upended mean', () => {
  const image = fill(2, 2, 1, (x, y) => [10 * y + x])
  const as = (name: string) => [...turn(image, { ...UNTURNED, [name]: true }).data]
  assert.deepEqual(as('mirrored'), [1, 0, 11, 10])
  assert.deepEqual(as('upended'), [10, 11, 0, 1])
  assert.deepEqual(as('exchanged'), [0, 10, 1, 11])
})

test('the result is the mean over the whole picture in each symmetry, tiled or not', async () => {
  const image = drawNoise(37, 22)
  const model = convolution(2)
  const answers = await Promise.all(all.map(async symmetry => turnBack(await model(turn(copy(image), symmetry)), symmetry)))
  const mean = fill(74, 44, 3, (x, y) =>
    [0, 1, 2].map(c => Math.floor(answers.reduce((sum, { data }) => sum + data[(y * 74 + x) * 3 + c]!, 0) / 8 + 0.5)),
  )
  for (const tile of [0, 16]) assert.deepEqual(await upscale(image, cardWith(), model, { tile, tta: true }), mean)
  assert.notDeepEqual(await upscale(image, cardWith(), model), mean)
})

test('a turned picture gives the turned result: no direction is preferred any more', async () => {
  const image = drawNoise(20, 13)
  const options = { tta: true, tile: 12 }
  const result = await upscale(image, cardWith(), convolution(2), options)
  for (const symmetry of all) {
    assert.deepEqual(await upscale(turn(image, symmetry), cardWith(), convolution(2), options), turn(result, symmetry))
  }
})

test('it costs eight runs a tile, each a step of progress; four where only one oblong size fits', async () => {
  const image = drawNoise(30, 16)
  const cost = async (fixedSize: { width: number; height: number } | null, tile: number) => {
    const seen = new Set<string>()
    let runs = 0
    let total = 0
    const infer: Infer = window => {
      runs++
      seen.add(`${window.width}×${window.height}`)
      return nearest(2)(window)
    }
    const result = await upscale(image, cardWith({ fixedSize }), infer, {
      tta: true,
      tile,
      onProgress: progress => (total = progress.total),
    })
    assert.deepEqual(result, await nearest(2)(copy(image)))
    assert.equal(total, runs)
    return { runs, seen: [...seen] }
  }
  assert.deepEqual(await cost(null, 0), { runs: 8, seen: ['30×16', '16×30'] })
  assert.deepEqual(await cost(null, 17), { runs: 16, seen: ['17×16', '16×17'] })
  assert.deepEqual(await cost({ width: 30, height: 16 }, 0), { runs: 4, seen: ['30×16'] })
  assert.deepEqual(await cost({ width: 32, height: 32 }, 0), { runs: 8, seen: ['32×32'] })
})

test('alpha is averaged too, and what is flat stays as it is', async () => {
  const image = drawAlpha(40, 30, 4)
  const result = await upscale(image, cardWith(), nearest(2), { tta: true, tile: 16 })
  assert.deepEqual(result, await upscale(image, cardWith(), nearest(2)))
})

const copy = (image: Image): Image => ({ ...image, data: image.data.slice() })
