import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execute } from '../../execute.js'
import { sharp } from '../../infer/sharp.js'
import { raw, tiffOf } from '../infer/pictures.js'
import { deepen, drawGrey, drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let home: string

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-pages-'))
  await writeModel(join(home, 'models'), { id: 'double', scale: 2 })
  await mkdir(join(home, 'in/scans'), { recursive: true })
  await writeFile(join(home, 'in/scans/book.tif'), tiffOf([drawGrey(20, 12), drawGrey(16, 18, 2)]))
  await writeFile(
    join(home, 'in/deep.png'),
    await raw(deepen(drawPhoto(24, 16)))
      .png()
      .toBuffer(),
  )
  await writeFile(join(home, 'in/plain.jpg'), await raw(drawPhoto(24, 16)).jpeg().toBuffer())
})

after(() => rm(home, { recursive: true, force: true }))

interface Report {
  made: { output: string }[]
  done: { output: string }[]
  skipped: { path: string; reason: string }[]
  failed: { path: string; code: string }[]
}

async function run(...args: string[]): Promise<Report> {
  const child = spawn(process.execPath, [uprez, '-m', join(home, 'models'), '-n', 'double', '-r', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let out = ''
  child.stdout.on('data', chunk => (out += chunk))
  await once(child, 'close')
  return JSON.parse(out) as Report
}

const names = (pictures: { output: string }[], folder: string) => pictures.map(({ output }) => output.split(`${folder}/`)[1]).sort()

test('every page of a TIFF becomes a picture of its own, once; depth and density are part of what makes it', async () => {
  const args = ['-i', join(home, 'in'), '-o', join(home, 'out'), '-f', 'tiff', '--pages', 'all']
  const first = await run(...args, '--dpi', '300')
  const all = ['deep.tiff', 'plain.tiff', 'scans/book-p1.tif', 'scans/book-p2.tif']
  assert.deepEqual(names(first.made, 'out'), all)
  assert.deepEqual((await readdir(join(home, 'out/scans'))).sort(), ['book-p1.tif', 'book-p2.tif'])
  const facts = async (name: string) => {
    const { width, height, channels, depth, density } = await sharp(join(home, 'out', name)).metadata()
    return [width, height, channels, depth, density]
  }
  assert.deepEqual(await Promise.all(all.map(facts)), [
    [48, 32, 3, 'ushort', 300],
    [48, 32, 3, 'uchar', 300],
    [40, 24, 1, 'uchar', 300],
    [32, 36, 1, 'uchar', 300],
  ])
  const again = await run(...args, '--dpi', '300')
  assert.deepEqual([again.made.length, names(again.done, 'out')], [0, all])
  const others = await run(...args, '--depth', '8')
  assert.deepEqual(names(others.made, 'out'), all)
  assert.deepEqual(await facts('deep.tiff'), [48, 32, 3, 'uchar', undefined])
})

test('without the option a TIFF of several pages is left alone; what a format cannot hold fails before any work', async () => {
  const { made, skipped, failed } = await run('-i', join(home, 'in'), '-o', join(home, 'deep'), '--depth', '16')
  assert.deepEqual(names(made, 'deep'), ['deep.png'])
  assert.match(skipped.find(({ path }) => path.endsWith('book.tif'))!.reason, /2 pages/)
  assert.deepEqual(
    failed.map(({ path, code }) => [path.endsWith('plain.jpg'), code]),
    [[true, 'invalid-option']],
  )
})

test('a file name is no place for several pages, nor for the pictures of a glob', async () => {
  for (const [input, what] of [
    ['in/scans/book.tif', 'pages'],
    ['in/*.{png,jpg}', 'pictures'],
  ] as const) {
    const args = ['-m', join(home, 'models'), '-i', join(home, input), '-o', join(home, 'one.tif'), '--pages', 'all']
    const { code, output } = await execute(process.execPath, [uprez, ...args])
    assert.equal(code, 2)
    assert.match(output, new RegExp(`invalid-option: --output: expected a folder for several ${what} `))
  }
})
