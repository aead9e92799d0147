import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { resize } from '../../image/resize.js'
import { startThreads } from '../../infer/ort-threads.js'
import { startResizer } from '../../infer/resizer.js'
import { servingFile } from '../../models/card.js'
import { findModel, readGraph } from '../../models/catalog.js'
import { drawPhoto } from '../support/draw.js'

const shipped = fileURLToPath(new URL('../../../models/', import.meta.url))
const unnoticed = () => () => {}

test('a small window on the express lane does not wait for large ones, and gets the same answer', async () => {
  const model = await findModel('fast-x4', { modelPath: shipped })
  const graph = servingFile(model.card)
  const ort = startThreads(1)
  await ort.load('a', graph, await readGraph(model, graph), unnoticed)
  const order: string[] = []
  const told = async <T>(name: string, answer: Promise<T>) => {
    const value = await answer
    order.push(name)
    return value
  }
  const small = () => [drawPhoto(16, 12)]
  const large = [1, 2].map(seed => told('large', ort.run('a', [drawPhoto(384, 384, seed)], unnoticed)))
  const express = await told('small', ort.run('a', small(), unnoticed, 'express'))
  await Promise.all(large)
  assert.deepEqual(order, ['small', 'large', 'large'])
  assert.deepEqual(await ort.run('a', small(), unnoticed), express)
  await ort.close()
})

test('the resizer gives what resize gives, small and large, several at once', async () => {
  const resizer = startResizer()
  const sizes = [
    [40, 30, 17, 13],
    [900, 700, 333, 250],
    [800, 900, 801, 300],
  ] as const
  await Promise.all(
    sizes.map(async ([width, height, toWidth, toHeight]) => {
      const image = drawPhoto(width, height)
      const to = { width: toWidth, height: toHeight, kernel: 'lanczos3' } as const
      const expected = resize(image, to)
      const got = await resizer.resize({ ...image, data: image.data.slice() }, to)
      assert.ok(Buffer.from(got.data).equals(Buffer.from(expected.data)))
      assert.deepEqual([got.width, got.height, got.channels], [toWidth, toHeight, 3])
    }),
  )
  await resizer.close()
})
