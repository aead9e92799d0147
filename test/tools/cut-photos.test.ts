import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { drawFlat, drawPhoto } from '../support/draw.js'

const script = fileURLToPath(new URL('../../../tools/cut-photos.mjs', import.meta.url))
const home = await mkdtemp(join(tmpdir(), 'uprez-cut-'))
after(() => rm(home, { recursive: true, force: true }))

test('photographs become textured squares of their reduction; flat ones, small ones and other files do not', async () => {
  const source = join(home, 'mine')
  await mkdir(join(source, 'sub'), { recursive: true })
  const photo = drawPhoto(200, 130)
  await write(join(source, 'sub', 'one.png'), photo)
  await write(join(source, 'flat.png'), drawFlat(200, 130, [90, 120, 200]))
  await write(join(source, 'small.png'), drawPhoto(60, 60))
  await writeFile(join(source, 'text.png'), 'no picture')
  const output = join(home, 'photos')
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [script, '-o', output, '--side', '48', '--reduce', '2', '--each', '2', '--texture', '0.5', source],
    { encoding: 'utf8' },
  )
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^2 squares of 48×48/)
  assert.match(stderr, /small\.png: 60×60 is too small/)
  assert.match(stderr, /text\.png: /)
  assert.deepEqual((await readdir(output)).sort(), ['mine-sub-one_1.jpg', 'mine-sub-one_2.jpg'])

  // Of 100×65 pixels two squares of 48 can be cut, beside each other.
  const reduced = resize(photo, { width: 100, height: 65, kernel: 'bicubic' })
  for (const name of await readdir(output)) {
    const { data, info } = await sharp(join(output, name)).raw().toBuffer({ resolveWithObject: true })
    assert.deepEqual([info.width, info.height], [48, 48])
    const distances = [0, 48].map(left => data.reduce((sum, value, i) => sum + Math.abs(value - at(reduced, left, i)), 0) / data.length)
    assert.ok(Math.min(...distances) < 6, `${name}: ${distances}`)
  }
})

test('without an output it says how it is used', () => {
  const { status, stderr } = spawnSync(process.execPath, [script, home], { encoding: 'utf8' })
  assert.equal(status, 2)
  assert.match(stderr, /^usage: node tools\/cut-photos\.mjs/)
})

/** Sample `i` of the square of 48 pixels that begins at `left`. */
function at({ data, width }: Image, left: number, i: number): number {
  const [channel, x, y] = [i % 3, Math.floor(i / 3) % 48, Math.floor(i / 144)]
  return data[(y * width + left + x) * 3 + channel]!
}

async function write(path: string, { data, width, height }: Image): Promise<void> {
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path)
}
