import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { crc32c, openEvents } from '../../train/events.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()

test('crc32c agrees with the published vectors', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  // RFC 3720, appendix B.4
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
})

test('the records read back: version, session start, scalars, picture', async () => {
  const folder = join(home, 'own')
  await write(folder)
  const [name] = await readdir(folder)
  assert.match(name!, /^events\.out\.tfevents\.1000\./)
  const [version, start, scalars, picture] = records(await readFile(join(folder, name!))).map(message)
  assert.equal(version!.get(1)![0], 1000)
  assert.equal(String(version!.get(3)![0]), 'brain.Event:2')
  assert.deepEqual([start!.get(2), String(start!.get(7))], [[301], '\x08\x01'])

  assert.deepEqual(scalars!.get(2), [300])
  const values = message(scalars!.get(5)![0] as Buffer)
    .get(1)!
    .map(value => message(value as Buffer))
  assert.deepEqual(
    values.map(value => [String(value.get(1)![0]), value.get(2)![0]]),
    [
      ['loss', 0.5],
      ['learning rate', 2 ** -10],
    ],
  )

  const value = message(message(picture!.get(5)![0] as Buffer).get(1)![0] as Buffer)
  const image = message(value.get(4)![0] as Buffer)
  assert.deepEqual([image.get(1), image.get(2), image.get(3)], [[1], [2], [3]])
  assert.deepEqual(image.get(4)![0], Buffer.alloc(300, 7))
})

test('a histogram counts every finite value once, in buckets from the least to the most', async () => {
  const folder = join(home, 'histogram')
  await mkdir(folder)
  const events = openEvents(folder, 1, () => 1_000_000)
  events.histogram(5, 'weights', Float32Array.of(-1, -0.95, 0, 2, Number.NaN, Number.POSITIVE_INFINITY))
  events.histogram(5, 'constant', [3, 3])
  events.histogram(5, 'nothing', [])
  events.close()
  const [name] = await readdir(folder)
  const [weights, constant, nothing] = records(await readFile(join(folder, name!)))
    .slice(2)
    .map(record => message(message(message(record).get(5)![0] as Buffer).get(1)![0] as Buffer))
    .map(value => message(value.get(5)![0] as Buffer))
  assert.deepEqual(
    [1, 2, 3, 4].map(field => weights!.get(field)![0]),
    [-1, 2, 4, Math.fround(-0.95) + 1],
  )
  const [edges, counts] = [6, 7].map(field => doublesOf(weights!.get(field)![0] as Buffer))
  assert.deepEqual([edges!.length, edges!.at(-1)], [30, 2])
  assert.ok(Math.abs(edges![0]! + 0.9) < 1e-6)
  assert.deepEqual([counts![0], counts![10], counts![29], counts!.reduce((sum, n) => sum + n)], [2, 1, 1, 4])
  assert.deepEqual(
    [6, 7].map(field => doublesOf(constant!.get(field)![0] as Buffer)),
    [[3], [2]],
  )
  assert.equal(nothing!.size, 0)
})

test('a folder that cannot be written to is not-writable', async () => {
  const file = join(home, 'file')
  await writeFile(file, '')
  assert.throws(() => openEvents(file, 1), { code: 'not-writable' })
})

const python = process.env.UPREZ_TEST_TENSORBOARD
const without = python ? false : 'UPREZ_TEST_TENSORBOARD names no python that has tensorboard'
test("PyPI's tensorboard reads scalars, pictures and histograms, and forgets what a killed run wrote past its checkpoint", {
  skip: without,
}, async () => {
  const folder = join(home, 'tensorboard')
  await mkdir(folder)
  const first = openEvents(folder, 1, () => 1_000_000)
  for (const step of [100, 200, 300]) first.scalars(step, { loss: step })
  first.close()
  const second = openEvents(folder, 201, () => 2_000_000)
  second.scalars(300, { loss: 333 })
  second.picture(300, 'samples', await onePixel(), 1, 1)
  second.histogram(300, 'weights', [-1, 0, 0, 2])
  second.close()
  const program = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "histograms": 0})
events.Reload()
print(json.dumps({"scalars": [[e.step, e.value] for e in events.Scalars("loss")],
    "images": [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in events.Images("samples")],
    "histograms": [[e.step, e.histogram_value.min, e.histogram_value.max, e.histogram_value.num, sum(e.histogram_value.bucket)]
        for e in events.Histograms("weights")]}))`
  const { status, stdout, stderr } = spawnSync(python!, ['-c', program, folder], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1)!), {
    scalars: [
      [100, 100],
      [200, 200],
      [300, 333],
    ],
    images: [[300, 1, 1, (await onePixel()).length]],
    histograms: [[300, -1, 2, 4, 4]],
  })
})

function doublesOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(i * 8))
}

async function write(folder: string): Promise<void> {
  await mkdir(folder)
  const events = openEvents(folder, 301, () => 1_000_000)
  events.scalars(300, { loss: 0.5, 'learning rate': 2 ** -10 })
  events.picture(300, 'samples', Buffer.alloc(300, 7), 2, 1)
  events.close()
}

async function onePixel(): Promise<Buffer> {
  return sharp(Buffer.from([1, 2, 3]), { raw: { width: 1, height: 1, channels: 3 } })
    .png()
    .toBuffer()
}

/** Splits a TFRecord stream, checking both sums of every record. */
function records(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at))
    assert.equal(bytes.readUInt32LE(at + 8), masked(bytes.subarray(at, at + 8)))
    const data = bytes.subarray(at + 12, at + 12 + length)
    assert.equal(bytes.readUInt32LE(at + 12 + length), masked(data))
    found.push(data)
    at += 16 + length
  }
  return found
}

function masked(bytes: Buffer): number {
  const crc = crc32c(bytes)
  return Number((BigInt((crc >>> 15) | (crc << 17)) + 0xa282ead8n) & 0xffffffffn)
}

/** Fields of a protocol-buffer message by number: numbers for varint, float and double, bytes for the rest. */
function message(bytes: Buffer): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  const take = (length: number) => {
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = varint()
    const read = {
      0: varint,
      1: () => take(8).readDoubleLE(),
      2: () => take(varint()),
      5: () => take(4).readFloatLE(),
    }[key & 7]!
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), read()])
  }
  return fields
}
