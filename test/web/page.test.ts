import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Engine, startEngine } from '../../infer/engine.js'
import { parseCard, servingFile } from '../../models/card.js'
import { DEFAULT_MODEL, listModels } from '../../models/catalog.js'
import { pixelsOf, raw } from '../infer/pictures.js'
import { shippedModels, startServer, type TestServer } from '../serve/support.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { type Host, openBrowser, PAGE_FOLDER, serveFolders } from './browser.js'
import { downloadFrom, drop, hold, openPage as open, paste, pngFile, smallPicture } from './page-support.js'

/** The built page in a real browser: from our own server, and once from a host that knows nothing of it. */

let engine: Engine
let server: TestServer
let host: Host
let browser: Browser

before(async () => {
  engine = await startEngine({ threads: 1 })
  server = await startServer(engine, {}, { pageFolder: PAGE_FOLDER })
  server.shelf.replace(await listModels({ modelPath: shippedModels }))
  host = await serveFolders([['/', PAGE_FOLDER]], {})
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await host?.close()
  await server?.close()
  await engine?.close()
})

const openPage = (address: string): Promise<Page> => open(browser, address)

test('the default model is chosen, first of a list that goes on with the quickest, from our server and from any other host', async () => {
  for (const address of [server.url, host.address]) {
    const page = await openPage(address)
    const { models } = (await (await fetch(new URL('models/index.json', address))).json()) as {
      models: { id: string; parameters: number }[]
    }
    const others = models.filter(({ id }) => id !== DEFAULT_MODEL).sort((a, b) => a.parameters - b.parameters)
    const shown = await page.evaluate<string[]>(`Array.from(document.getElementById('model').options, option => option.value)`)
    assert.deepEqual(shown, [DEFAULT_MODEL, ...others.map(({ id }) => id)])
    assert.equal(await page.locator('#model').inputValue(), DEFAULT_MODEL)
    assert.equal(await page.locator('#scale').inputValue(), '4')
    for (const { id } of models) {
      const fetched = (file: string) => fetch(new URL(`models/${id}/${file}`, address))
      const card = parseCard(await (await fetched('card.json')).json(), id)
      // WebGPU takes the canonical file, wasm the one that serves.
      for (const { file } of [card.model, servingFile(card)]) assert.equal((await fetched(file)).status, 200, `${address} ${id} ${file}`)
    }
    await page.close()
  }
})

test('a sample is enlarged with threads, and what is downloaded equals the answer of POST /upscale', async t => {
  const page = await openPage(server.url)
  const sample = page.locator('[data-sample=harbour]')
  const address = await page.evaluate<string>('document.querySelector("[data-sample=harbour] img").src')
  await sample.click()
  const download = await downloadFrom(page)
  assert.equal(download.suggestedFilename(), 'harbour-x4.png')

  const form = new FormData()
  form.append('img', new Blob([new Uint8Array(await (await fetch(address)).arrayBuffer())]), 'harbour.png')
  const answer = await fetch(`${server.url}/upscale`, { method: 'POST', body: form })
  assert.equal(answer.status, 200)
  const expected = await pixelsOf(new Uint8Array(await answer.arrayBuffer()))
  const got = await pixelsOf(await readFile(await download.path()))
  assert.deepEqual([got.width, got.height, got.channels], [expected.width, expected.height, expected.channels])
  const difference = got.data.reduce((largest, value, i) => Math.max(largest, Math.abs(value - expected.data[i]!)), 0)
  t.diagnostic(`largest difference between page and server: ${difference} of 255`)
  assert.ok(difference <= 1)

  assert.match((await page.locator('#facts').textContent()) ?? '', /480 × 320 → 1920 × 1280/)
  assert.match((await page.locator('#facts').textContent()) ?? '', /wasm × (?!1 )\d+ threads/)
  await page.close()
})

test('a click anywhere in the frame opens the chooser, once', async () => {
  const page = await openPage(server.url)
  let choosers = 0
  page.on('filechooser', () => choosers++)
  for (const part of ['.drop-icon', '.drop-title .with-mouse', '.drop label']) {
    const chooser = page.waitForEvent('filechooser')
    await page.locator(part).click()
    await chooser
  }
  assert.equal(choosers, 3)
  await page.close()
})

test('a picture that comes before the list of models waits for it', async () => {
  const page = await browser.newPage()
  const list = await hold(page, '**/models/index.json')
  await page.goto(server.url)
  await list.asked
  await drop(page, 'early.png', (await smallPicture()).buffer)
  list.letGo()
  await page.locator('#download[download="early-x4.png"]').waitFor()
  await page.close()
})

test('the border moves by keyboard and by mouse', async () => {
  const page = await openPage(server.url)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  const slider = page.getByRole('slider')
  await slider.focus()
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('Shift+ArrowLeft')
  assert.equal(await slider.getAttribute('aria-valuenow'), '38')
  assert.equal(await slider.getAttribute('aria-valuetext'), '38% before, 62% after')
  await page.keyboard.press('End')
  assert.equal(await slider.getAttribute('aria-valuenow'), '100')
  const stage = (await page.locator('#stage').boundingBox())!
  await page.mouse.move(stage.x + stage.width * 0.5, stage.y + 30)
  await page.mouse.down()
  await page.mouse.move(stage.x + stage.width * 0.25, stage.y + 40)
  await page.mouse.up()
  assert.equal(await slider.getAttribute('aria-valuenow'), '25')
  await page.close()
})

test('a zoomed picture has a name, and the arrow keys move it', async () => {
  const page = await openPage(server.url)
  await page.setInputFiles('#file', await pngFile('wide.png', 400, 30))
  await downloadFrom(page)
  await page.getByRole('button', { name: '4:1' }).click()
  const stage = page.getByRole('region', { name: /^The picture.*arrow keys/ })
  await stage.focus()
  const left = () => page.evaluate<number>(`document.getElementById('after').getBoundingClientRect().left`)
  const before = await left()
  await page.keyboard.press('ArrowRight')
  assert.equal(await left(), before - 60)
  await page.close()
})

test('a second finger neither moves the border nor ends its way', async () => {
  const context = await browser.newContext({ hasTouch: true })
  const page = await context.newPage()
  await page.goto(server.url)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  await page.evaluate(`
    const handle = document.getElementById('handle')
    window.places = new Set()
    new MutationObserver(() => places.add(handle.getAttribute('aria-valuenow'))).observe(handle, { attributes: true })`)
  const { x, y, width } = (await page.locator('#stage').boundingBox())!
  const at = (id: number, part: number) => ({ id, x: x + width * part, y: y + 20 })
  const fingers = await context.newCDPSession(page)
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', touchPoints: ReturnType<typeof at>[]) =>
    fingers.send('Input.dispatchTouchEvent', { type, touchPoints })
  await touch('touchStart', [at(0, 0.25)])
  await touch('touchStart', [at(0, 0.25), at(1, 0.75)])
  await touch('touchMove', [at(0, 0.25), at(1, 0.9)])
  await touch('touchEnd', [at(1, 0.9)])
  await touch('touchMove', [at(0, 0.4)])
  await page.locator('#handle[aria-valuenow="40"]').waitFor()
  assert.deepEqual(await page.evaluate('[...places]'), ['25', '40'])
  await context.close()
})

test('dropped and pasted files are taken, and words say what is wrong with a broken one', async () => {
  const page = await openPage(server.url)
  const picture = await raw(drawPhoto(40, 30)).jpeg().toBuffer()
  await drop(page, 'holiday.photo.jpg', picture)
  const download = await downloadFrom(page)
  assert.equal(download.suggestedFilename(), 'holiday.photo-x4.jpg')
  await page.getByRole('button', { name: 'Another picture' }).click()
  await paste(page, 'screenshot.png', (await smallPicture()).buffer)
  await page.locator('#download[download="screenshot-x4.png"]').waitFor()
  await drop(page, 'half.png', (await raw(drawPhoto(40, 30)).png().toBuffer()).subarray(0, 900))
  const alert = page.getByRole('alert')
  await alert.waitFor()
  assert.match((await alert.textContent()) ?? '', /The image is damaged or incomplete\./)
  assert.ok(await page.locator('#intake').isVisible())
  await drop(page, 'letter.txt', Buffer.from('Dear all'))
  await alert.getByText(/not an image/).waitFor()
  await page.close()
})

test('another size and format are computed anew', async () => {
  const page = await openPage(server.url)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  await page.getByLabel('Size').selectOption('3')
  await page.getByText('120 × 90').waitFor()
  await page.getByLabel('Format').selectOption('jpg')
  await page.locator('#download[download="small-x3.jpg"]').waitFor()
  await page.close()
})

test('on a phone nothing sticks out, however long the titles of the models are', async () => {
  const page = await browser.newPage({ viewport: { width: 360, height: 740 } })
  await page.route('**/models/index.json', async route => {
    const { models } = (await (await route.fetch()).json()) as { models: { title: string }[] }
    await route.fulfill({ json: { models: models.map(model => ({ ...model, title: model.title.repeat(3) })) } })
  })
  await page.goto(server.url)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
  await page.close()
})

test('a model that keeps the size has one size to choose', async () => {
  const models = await mkdtemp(join(tmpdir(), 'uprez-models-'))
  const { card } = await writeModel(models, { id: 'mend-x1', scale: 1 })
  await writeFile(join(models, 'index.json'), JSON.stringify({ models: [{ ...card, default: true }] }))
  const mending = await serveFolders(
    [
      ['/models/', models],
      ['/', PAGE_FOLDER],
    ],
    {},
  )
  try {
    const page = await openPage(mending.address)
    await page.setInputFiles('#file', await smallPicture())
    assert.equal((await downloadFrom(page)).suggestedFilename(), 'small-x1.png')
    assert.equal(await page.locator('#scale option').count(), 1)
    await page.close()
  } finally {
    await mending.close()
    await rm(models, { recursive: true })
  }
})

test('on a host without COOP and COEP it runs in one thread and says why', async () => {
  const page = await openPage(host.address)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  assert.match((await page.locator('#facts').textContent()) ?? '', /wasm × 1 threadModel/)
  assert.match((await page.locator('#note').textContent()) ?? '', /COOP and COEP/)
  await page.close()
})
