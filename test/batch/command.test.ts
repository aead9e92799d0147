import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { OutputFormat } from '../../infer/engine.js'
import { sharp } from '../../infer/sharp.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let home: string
let models: string

before(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'uprez-batch-')))
  models = join(home, 'models')
  await writeModel(models, { id: 'double', scale: 2 })
  // Slow enough that a run of several pictures can be met in the middle.
  await writeModel(models, { id: 'slow', scale: 2, kind: 'network', depth: 12, channels: 32 })
})

after(() => rm(home, { recursive: true, force: true }))

interface Report {
  estimate: { pictures: number; outputPixels: number; bytes: number; seconds: number } | null
  planned: { input: string; output: string; replaces: boolean }[]
  done: { output: string }[]
  made: { input: string; output: string; width: number; height: number }[]
  skipped: { path: string; reason: string }[]
  failed: { path: string; code: string }[]
  stopped: boolean
}

function start(args: string[], options: { cwd?: string; detached?: boolean } = {}): ChildProcess {
  const child = spawn(process.execPath, [uprez, '-m', models, '-n', 'double', ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  after(() => child.kill('SIGKILL'))
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  const text = { out: '', err: '' }
  child.stdout!.on('data', chunk => (text.out += chunk))
  child.stderr!.on('data', chunk => (text.err += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...text }
}

const run = (...args: string[]) => ended(start(args))

async function runJson(...args: string[]): Promise<Report & { code: number | null }> {
  const { code, out } = await run(...args, '--json')
  return { ...(JSON.parse(out) as Report), code }
}

/** Waits until the command says that a picture is finished. */
async function firstPicture(child: ChildProcess): Promise<void> {
  let text = ''
  for await (const chunk of child.stderr!.iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.includes('[1/')) return
  }
  assert.fail(`the command ended before its first picture: ${text}`)
}

async function folder(): Promise<string> {
  return mkdtemp(join(home, 'folder-'))
}

/** Draws a picture for every name; `.txt` files hold words. */
async function draw(root: string, ...names: string[]): Promise<void> {
  for (const [i, name] of names.entries()) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true })
    if (name.endsWith('.txt')) await writeFile(path, 'words')
    else await drawTo(path, 24 + i, 16)
  }
}

async function drawTo(path: string, width: number, height: number): Promise<void> {
  const { data, channels } = drawPhoto(width, height)
  await sharp(data, { raw: { width, height, channels: channels as 3 } }).toFile(path)
}

async function files(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && !entry.name.startsWith('.'))
    .map(entry => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

/** Format and size of a picture all of whose pixels can be decoded. */
async function wholePicture(path: string): Promise<string> {
  await sharp(path, { failOn: 'warning' }).stats()
  const { format, width, height } = await sharp(path).metadata()
  return `${format} ${width}×${height}`
}

test('a folder is upscaled with its tree mirrored, each picture in its own format', async () => {
  const root = await folder()
  await draw(root, 'in/a.png', 'in/sub/b.jpg', 'in/sub/deep/c.webp', 'in/d.tiff', 'in/notes.txt')
  const { code, err } = await run('-i', join(root, 'in'), '-o', join(root, 'out'), '-r')
  assert.equal(code, 0, err)
  assert.deepEqual(await files(join(root, 'out')), ['a.png', 'd.png', 'sub/b.jpg', 'sub/deep/c.webp'])
  assert.equal(await wholePicture(join(root, 'out/sub/b.jpg')), 'jpeg 50×32')
  assert.equal(await wholePicture(join(root, 'out/sub/deep/c.webp')), 'webp 52×32')
  assert.match(err, /left alone: .*notes\.txt/)
  assert.match(err, /4 pictures to make.*about/)
  assert.match(err, /4 made/)
})

test('without a command a single picture becomes a single file, whose name settles the format', async () => {
  const root = await folder()
  await draw(root, 'a.png')
  const { code, err } = await ended(start(['-i', 'a.png', '-o', 'big/b.jpg', '-s', '3'], { cwd: root }))
  assert.equal(code, 0, err)
  assert.equal(await wholePicture(join(root, 'big/b.jpg')), 'jpeg 72×48')
})

test('a second run does nothing; a touched input, another option or a lost output is redone', async () => {
  const root = await folder()
  await draw(root, 'in/a.png', 'in/b.png')
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out')]
  const outputs = (list: { output: string }[]) => list.map(({ output }) => output.slice(root.length + 5))
  assert.deepEqual(outputs((await runJson(...args)).made).sort(), ['a.png', 'b.png'])
  const again = await runJson(...args)
  assert.deepEqual([again.made.length, outputs(again.done)], [0, ['a.png', 'b.png']])

  await utimes(join(root, 'in/a.png'), 1000, 1000)
  assert.deepEqual(outputs((await runJson(...args, '--dry-run')).planned), ['a.png'])
  assert.equal((await runJson(...args, '--dry-run', '-s', '3')).planned.length, 2)
  assert.equal((await runJson(...args, '--dry-run', '--resume')).planned.length, 1)
  assert.equal((await runJson(...args, '--dry-run', '--if-exists', 'overwrite')).planned.length, 2)
})

test('collisions are settled by keeping the extension, the same on every run', async () => {
  const root = await folder()
  await draw(root, 'in/a.jpg', 'in/a.png', 'in/b.jpg')
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out'), '-f', 'png']
  assert.equal((await run(...args)).code, 0)
  assert.deepEqual(await files(join(root, 'out')), ['a.jpg.png', 'a.png.png', 'b.png'])
  assert.equal(await wholePicture(join(root, 'out/a.jpg.png')), 'png 48×32')
  assert.equal(await wholePicture(join(root, 'out/a.png.png')), 'png 50×32')
  assert.equal((await runJson(...args)).done.length, 3)
})

test('rename leaves what is there and takes a free name, fail begins nothing', async () => {
  const root = await folder()
  await draw(root, 'in/a.png')
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out')]
  await mkdir(join(root, 'out'))
  await writeFile(join(root, 'out/a.png'), 'mine')
  assert.match((await run(...args, '--if-exists', 'fail')).err, /^uprez: output-exists: .*out\/a\.png/m)
  assert.equal((await run(...args, '--if-exists', 'rename')).code, 0)
  assert.deepEqual(await files(join(root, 'out')), ['a-2.png', 'a.png'])
  assert.equal(await readFile(join(root, 'out/a.png'), 'utf8'), 'mine')
})

test('a damaged picture is reported, the others are made, the exit code is 1', async () => {
  const root = await folder()
  await draw(root, 'in/good.png', 'in/whole.png')
  const whole = await readFile(join(root, 'in/whole.png'))
  await writeFile(join(root, 'in/truncated.png'), whole.subarray(0, whole.length / 2))
  await writeFile(join(root, 'in/words.jpg'), 'words')
  await writeFile(join(root, 'in/empty.png'), '')
  const { code, made, failed } = await runJson('-i', join(root, 'in'), '-o', join(root, 'out'))
  assert.equal(code, 1)
  assert.equal(made.length, 2)
  const codes = Object.fromEntries(failed.map(failure => [failure.path.slice(root.length + 4), failure.code]))
  assert.deepEqual(codes, { 'truncated.png': 'broken-image', 'words.jpg': 'not-an-image', 'empty.png': 'empty-image' })
  assert.deepEqual(await files(join(root, 'out')), ['good.png', 'whole.png'])
})

test('a dry run tells everything and writes nothing', async () => {
  const root = await folder()
  await draw(root, 'in/a.png', 'in/sub/b.png', 'in/notes.txt')
  const before = await files(root)
  const { code, out, err } = await run('-i', join(root, 'in'), '-o', join(root, 'out/deep'), '-r', '--dry-run')
  assert.equal(code, 0)
  assert.deepEqual(out.trimEnd().split('\n'), [
    `${root}/in/a.png → ${root}/out/deep/a.png (24×16 → 48×32)`,
    `${root}/in/sub/b.png → ${root}/out/deep/sub/b.png (25×16 → 50×32)`,
  ])
  assert.match(err, /about .* s .*about .*B/)
  assert.deepEqual(await files(root), before)
  await assert.rejects(stat(join(root, 'out')))
})

test('an output folder inside the input is not taken for input', async () => {
  const root = await folder()
  await draw(root, 'a.png')
  const args = ['-i', root, '-o', join(root, 'big'), '-r']
  assert.equal((await run(...args)).code, 0)
  const { planned, done } = await runJson(...args)
  assert.deepEqual([planned.length, done.length], [0, 1])
})

test('in the input folder itself: refused without a suffix, and with one the results are not taken for input', async () => {
  const root = await folder()
  await draw(root, 'a.png')
  const refused = await run('-i', root, '-o', root)
  assert.equal(refused.code, 2)
  assert.match(refused.err, /invalid-option: .*--suffix/)
  const args = ['-i', root, '-o', root, '--suffix', '_x2']
  assert.equal((await run(...args)).code, 0)
  assert.deepEqual(await files(root), ['a.png', 'a_x2.png'])
  assert.deepEqual((await runJson(...args)).planned, [])
  const named = await runJson('-i', join(root, 'a_x2.png'), '-o', root, '--suffix', '_x4', '--dry-run')
  assert.deepEqual(
    named.planned.map(({ output }) => output),
    [join(root, 'a_x2_x4.png')],
  )
})

test('a file in place of the output folder is told before any work', async () => {
  const root = await folder()
  await draw(root, 'in/a.png')
  await writeFile(join(root, 'out'), '')
  const { code, err } = await run('-i', join(root, 'in'), '-o', join(root, 'out'))
  assert.equal(code, 1)
  assert.match(err, /^uprez: not-writable: /m)
  assert.doesNotMatch(err, /to make/)
})

test('a folder without pictures, a missing input and an unknown model are told with their codes', async () => {
  const root = await folder()
  await draw(root, 'in/notes.txt', 'pictures/a.png')
  const [input, out] = [join(root, 'in'), ['-o', join(root, 'out')]]
  const wrong: [args: string[], message: RegExp][] = [
    [['-i', input], /^uprez: no-images: /m],
    [['-i', join(root, 'nowhere')], /^uprez: no-input: /m],
    [['-i', input, '-n', 'dubble'], /^uprez: unknown-model: .*double/m],
    [['-i', join(root, 'pictures'), '-g', '0'], /^uprez: provider-unavailable: /m],
  ]
  const ends = await Promise.all(wrong.map(([args]) => run(...args, ...out)))
  for (const [i, { code, err }] of ends.entries()) {
    assert.equal(code, 1)
    assert.match(err, wrong[i]![1])
  }
})

test('a run killed in the middle leaves only whole pictures, and the next one does the rest', async () => {
  const root = await folder()
  for (let i = 0; i < 6; i++) await drawTo(await placeIn(root, `in/${i}.png`), 160, 160)
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out'), '-n', 'slow', '-j', '2']
  const child = start(args)
  const end = once(child, 'close')
  await firstPicture(child)
  child.kill('SIGKILL')
  await end
  for (const name of await files(join(root, 'out'))) assert.equal(await wholePicture(join(root, 'out', name)), 'png 320×320')

  const { code, done, made } = await runJson(...args)
  assert.equal(code, 0)
  assert.ok(done.length >= 1 && made.length >= 1, `${done.length} done before, ${made.length} made`)
  assert.equal(done.length + made.length, 6)
  assert.equal((await files(join(root, 'out'))).length, 6)
})

test('Ctrl-C ends the run with 130; what is done stays done and nothing half-written is left', async () => {
  const root = await folder()
  for (let i = 0; i < 12; i++) await drawTo(await placeIn(root, `in/${i}.png`), 160, 160)
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out'), '-n', 'slow', '-j', '2']
  const child = start(args, { detached: true })
  const end = ended(child)
  await firstPicture(child)
  // A terminal sends the signal to the whole group, and npm hands it on once more: here when the engine is being closed already.
  child.stderr!.on('data', chunk => /\d+ left/.test(chunk) && child.kill('SIGINT'))
  process.kill(-child.pid!, 'SIGINT')
  const { code, err } = await end
  assert.equal(code, 130)
  assert.match(err, /\d+ left/)
  // A picture may be renamed into place while the signal arrives: whole, but made once more.
  const finished = await files(join(root, 'out'))
  for (const name of finished) assert.equal(await wholePicture(join(root, 'out', name)), 'png 320×320')
  assert.deepEqual(await readdir(join(root, 'out')).then(names => names.filter(name => name.endsWith('.uprez-tmp'))), [])
  const { done, planned } = await runJson(...args, '--dry-run')
  assert.ok(done.length >= 1 && done.length <= finished.length, `${done.length} done of ${finished.length}`)
  assert.equal(done.length + planned.length, 12)
})

test('what a killed run left half-written is removed, what a living one writes is not', async () => {
  const root = await folder()
  await draw(root, 'in/a.png')
  await mkdir(join(root, 'out'))
  const dead = await deadProcess()
  const [left, living] = [`.a.png.${dead}-1.uprez-tmp`, `.a.png.${process.pid}-1.uprez-tmp`]
  for (const name of [left, living]) await writeFile(join(root, 'out', name), 'half')
  assert.equal((await run('-i', join(root, 'in'), '-o', join(root, 'out'))).code, 0)
  assert.deepEqual((await readdir(join(root, 'out'))).sort(), [living, '.uprez.jsonl', 'a.png'].sort())
})

test('what a killed run left is removed where everything is done, and where its process still is a zombie', async t => {
  const root = await folder()
  await draw(root, 'in/sub/a.png')
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out'), '-r']
  assert.equal((await run(...args)).code, 0)
  const writers = [await deadProcess(), ...(process.platform === 'linux' ? [await zombie(t)] : [])]
  for (const pid of writers) await writeFile(join(root, `out/sub/.a.png.${pid}-1.uprez-tmp`), 'half')
  assert.equal((await run(...args, '--dry-run')).code, 0)
  assert.equal((await readdir(join(root, 'out/sub'))).length, 1 + writers.length)
  assert.equal((await run(...args)).code, 0)
  assert.deepEqual(await readdir(join(root, 'out/sub')), ['a.png'])
})

test('a torn last line of the manifest is tolerated', async () => {
  const root = await folder()
  await draw(root, 'in/a.png', 'in/b.png')
  const args = ['-i', join(root, 'in'), '-o', join(root, 'out')]
  assert.equal((await run(...args)).code, 0)
  await appendFile(join(root, 'out/.uprez.jsonl'), '{"output":"b.png","input":"b.p')
  await draw(root, 'in/c.png')
  const { done, made } = await runJson(...args)
  assert.deepEqual([done.length, made.length], [2, 1])
  assert.equal((await runJson(...args)).done.length, 3)
})

test('what ends a run is told in the report, with the picture that met it', async () => {
  const root = await folder()
  await draw(root, 'in/a.png', 'in/b.png')
  const { dir } = await writeModel(join(root, 'models'), { id: 'changed' })
  for (const name of ['model.onnx', 'model.uint8.onnx']) await appendFile(join(dir, name), 'more')
  const { code, failed, made } = await runJson(
    '-m',
    dir,
    '-n',
    'changed',
    '-g',
    '-1',
    '-j',
    '1',
    '-i',
    join(root, 'in'),
    '-o',
    join(root, 'out'),
  )
  assert.deepEqual([code, made], [1, []])
  assert.deepEqual(
    failed.map(({ path, code }) => [path, code]),
    [[join(root, 'in/a.png'), 'model-mismatch']],
  )
})

test('options that would do nothing, contradict each other or fit no picture are wrong usage, told before anything is written', async () => {
  const root = await folder()
  await draw(root, 'a.png')
  const wrong: [args: string[], message: RegExp][] = [
    [['-o', join(root, 'b.png'), '--suffix', '_x2'], /^uprez: invalid-option: .*--suffix.*b\.png/m],
    [['-o', join(root, 'b.png'), '-f', 'jpg'], /^uprez: invalid-option: .*format jpg.*b\.png/m],
    [['-o', join(root, 'out'), '--resume', '--if-exists', 'overwrite'], /^uprez: invalid-option: .*--resume.*--if-exists overwrite/m],
    [['-o', join(root, 'out'), '-n', 'slow', '-t', '24'], /^uprez: invalid-option: tile must be 0 or at least 25/m],
  ]
  const ends = await Promise.all(wrong.map(([args]) => run('-i', join(root, 'a.png'), ...args)))
  for (const [i, { code, err }] of ends.entries()) {
    assert.equal(code, 2, err)
    assert.match(err, wrong[i]![1])
  }
  assert.deepEqual(await files(root), ['a.png'])
  const same = await run('-i', join(root, 'a.png'), '-o', join(root, 'out'), '--resume', '--if-exists', 'skip', '--dry-run')
  assert.equal(same.code, 0, same.err)
})

test('every output format can be asked for', async () => {
  const root = await folder()
  await draw(root, 'a.png')
  const formats: Record<OutputFormat, string> = { png: 'png', jpg: 'jpeg', webp: 'webp', avif: 'heif', tiff: 'tiff' }
  await Promise.all(Object.keys(formats).map(format => run('-i', join(root, 'a.png'), '-o', join(root, 'out'), '-f', format, '-q', '80')))
  for (const [format, name] of Object.entries(formats)) {
    assert.equal(await wholePicture(join(root, `out/a.${format}`)), `${name} 48×32`)
  }
})

async function placeIn(root: string, name: string): Promise<string> {
  await mkdir(dirname(join(root, name)), { recursive: true })
  return join(root, name)
}

/** The id of a process that has ended and whose parent will never ask how. */
async function zombie(t: TestContext): Promise<number> {
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => parent.kill('SIGKILL'))
  const pid = Number(String((await once(parent.stdout, 'data'))[0]))
  while (!/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) await new Promise(setImmediate)
  return pid
}

/** The id of a process that has ended. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'close')
  return child.pid!
}
