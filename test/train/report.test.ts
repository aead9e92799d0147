import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { resolveConfig } from '../../train/config.js'
import { writeReport } from '../../train/report.js'
import { drawChart, short } from '../../train/report-chart.js'
import { drawPhoto } from '../support/draw.js'
import { openBrowser } from '../web/browser.js'

let home: string
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-report-'))
})
after(() => rm(home, { recursive: true, force: true }))

test('the page shows curves, samples, settings, network and data, and needs nothing beside it', async () => {
  const run = await writeRun('mine & <b>')
  const file = await writeReport(run)
  assert.equal(file, join(run, 'report.html'))
  const page = await readFile(file, 'utf8')
  for (const part of [
    'mine &#38; &#60;b&#62;',
    'step 300 of 300',
    'gone on with 1 time',
    // The best, not the last.
    '<dd>31.00 dB</dd>',
    'at step 200; now 30.50 dB',
    '2m30s of training',
    'aria-label="pixel-l1: 0.01 at step 300"',
    'losses.<wbr>pixel.<wbr>luma',
    '1,234',
    '8 of photos',
    'drawn by &#34;tests&#34;',
  ]) {
    assert.ok(page.includes(part), part)
  }
  assert.equal(page.match(/<img src="data:image\/webp;base64,/g)!.length, 2)
  assert.ok(page.indexOf('samples of step 300') < page.indexOf('samples of step 100'))
  assert.ok(!/<script|<link|mine & <b>|https?:\/\/|url\(/.test(page))
})

test('a run that has just begun has a page too; a folder that is none has not', async () => {
  const run = join(home, 'begun')
  await mkdir(run)
  await writeFile(join(run, 'config.json'), JSON.stringify(resolveConfig('tiny', {})))
  const page = await readFile(await writeReport(run, join(home, 'begun.html')), 'utf8')
  assert.ok(page.includes('Nothing has been logged yet'))
  assert.ok(page.includes('The preset tiny as it is'))
  await assert.rejects(writeReport(home), { code: 'not-a-run', got: home })
  await assert.rejects(writeReport(run, join(home, 'nowhere', 'x.html')), { code: 'not-writable' })
})

test('in a browser it fetches nothing and fits a phone', async () => {
  const file = await writeReport(await writeRun('seen'))
  const browser = await openBrowser()
  try {
    const page = await browser.newPage({ viewport: { width: 360, height: 700 } })
    const trouble: string[] = []
    page.on('console', message => trouble.push(message.text()))
    page.on('request', request => {
      if (!/^(data|file):/.test(request.url())) trouble.push(request.url())
    })
    await page.goto(pathToFileURL(file).href)
    assert.deepEqual(trouble, [])
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
    assert.deepEqual(await page.evaluate('[...document.images].map(image => image.naturalWidth > 0)'), [true, true])
  } finally {
    await browser.close()
  }
})

test('a curve keeps its peaks however many points it has, and rises where its values do', () => {
  const peak = 6_000
  const points = Array.from({ length: 10_000 }, (_, i): [number, number] => [i, i === peak ? 50 : 1 + i / 1e4])
  const svg = drawChart({ points, smooth: false, bySize: false, label: 'peak' })
  const line = coordinates(svg, 'line')
  assert.ok(line.length <= 420, `${line.length} points`)
  const [top] = [...line].sort((a, b) => a.y - b.y)
  const x = (step: number) => line[0]!.x + ((line.at(-1)!.x - line[0]!.x) * step) / 9_999
  assert.ok(Math.abs(top!.x - x(peak)) < 1, `the peak is drawn at ${top!.x}`)
  assert.ok(line.at(-1)!.y < line[0]!.y)
})

test('a curve may have more points than a call can have arguments', () => {
  const points = Array.from({ length: 300_000 }, (_, i): [number, number] => [i, i])
  const line = coordinates(drawChart({ points, smooth: false, bySize: true, label: 'long' }), 'line')
  assert.ok(line.length <= 420 && line.at(-1)!.y < line[0]!.y)
})

test('what spans decades is drawn by size, a smooth line lies inside what it smooths', () => {
  const points = Array.from({ length: 200 }, (_, i): [number, number] => [i, 10 ** (-i / 50) * (i % 2 ? 1.2 : 0.8)])
  const line = coordinates(drawChart({ points, smooth: true, bySize: true, label: 'falls' }), 'line')
  const slope = (i: number) => (line[i + 40]!.y - line[i]!.y) / 40
  assert.ok(Math.abs(slope(20) / slope(140) - 1) < 0.1)
  const raw = coordinates(drawChart({ points, smooth: true, bySize: true, label: 'falls' }), 'raw')
  assert.ok(roughness(raw) > 3 * roughness(line))
})

test('one point, or many equal ones, make a chart', () => {
  for (const points of [[[5, 3]], [1, 2, 3].map(x => [x, 0.5]), [1, 2].map(x => [x, 0])] as [number, number][][]) {
    const svg = drawChart({ points, smooth: false, bySize: true, label: 'flat' })
    assert.ok(!/NaN|Infinity|undefined/.test(svg), svg)
  }
})

test('numbers are as short as they can be', () => {
  const shown = [0, 1, 0.25, 31.2345, 0.00012, 1e-6, 123_456].map(short)
  assert.deepEqual(shown, ['0', '1', '0.25', '31.23', '1.2e-4', '1e-6', '1.23e5'])
})

function coordinates(svg: string, kind: string): { x: number; y: number }[] {
  const path = svg.match(new RegExp(`class="${kind}" d="([^"]*)"`))![1]!
  return path
    .split(/[ML]/)
    .slice(1)
    .map(point => {
      const [x, y] = point.split(' ').map(Number)
      return { x: x!, y: y! }
    })
}

const roughness = (points: { y: number }[]): number =>
  points.slice(1).reduce((sum, { y }, i) => sum + Math.abs(y - points[i]!.y), 0) / points.length

/** A run of 300 steps with three validations, a line that is half written, and a hostile name. */
async function writeRun(name: string): Promise<string> {
  const run = join(home, name)
  await mkdir(join(run, 'samples'), { recursive: true })
  await mkdir(join(run, 'generator'))
  const config = resolveConfig('tiny', { engine: 'wasm', 'losses.pixel.luma': 0.5, 'data.source': 'drawn by "tests"' })
  await writeFile(join(run, 'config.json'), JSON.stringify(config))
  const lines = Array.from({ length: 30 }, (_, i) => ({
    step: 10 * (i + 1),
    'loss/pixel-l1': 0.01 + 0.1 / (i + 1) - 0.1 / 30,
    'learning rate': 1e-3,
    'steps per second': 2,
    'data wait': 0.01,
  }))
  const scores = [29, 31, 30.5].map((psnr, i) => ({ step: 100 * (i + 1), 'validation/PSNR-Y': psnr }))
  const text = [...lines, ...scores].map(line => JSON.stringify(line)).join('\n')
  await writeFile(join(run, 'metrics.jsonl'), `${text}\n{"step":310,"loss/pixel-l1":null}\n{"step":320,"loss/pi`)
  for (const start of [1_000_000, 2_000_000]) await writeFile(join(run, `events.out.tfevents.${start}.host.1`), '')
  for (const step of [100, 300]) {
    const { data, width, height } = drawPhoto(160, 80, step)
    await sharp(data, { raw: { width, height, channels: 3 } }).toFile(join(run, 'samples', `step-${String(step).padStart(8, '0')}.png`))
  }
  const training = { preset: 'tiny', overrides: {}, steps: 300, seed: 0, engine: 'wasm', featureLoss: null }
  const data = [{ name: 'photos', source: 'drawn by "tests"', licence: 'CC0', images: 8 }]
  const about = { scale: 2, receptiveField: 4, sizeMultiple: 1, parameters: 1234, flopsPerPixel: 2468, training: { ...training, data } }
  await writeFile(join(run, 'generator', 'about.json'), JSON.stringify(about))
  return run
}
