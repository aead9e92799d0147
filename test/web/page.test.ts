import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { type Engine, startEngine } from '../../infer/engine.js'
import { pixelsOf, raw } from '../infer/pictures.js'
import { startServer, type TestServer } from '../serve/support.js'
import { drawPhoto } from '../support/draw.js'
import { type Host, openBrowser, PAGE_FOLDER, serveFolders } from './browser.js'

/** The built page in a real browser: from our own server, and once from a host that knows nothing of it. */

let engine: Engine
let server: TestServer
let host: Host
let browser: Browser

before(async () => {
  engine = await startEngine({ threads: 1 })
  server = await startServer(engine, {}, { pageFolder: PAGE_FOLDER })
  host = await serveFolders([['/', PAGE_FOLDER]], {})
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await host?.close()
  await server?.close()
  await engine?.close()
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

test('cancel goes back to the start, and the next picture works', async () => {
  const page = await openPage(server.url)
  await page.setInputFiles('#file', { name: 'large.png', mimeType: 'image/png', buffer: await raw(drawPhoto(1200, 900)).png().toBuffer() })
  await page.getByText(/^Tile 2 of/).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('#intake').waitFor()
  assert.equal(await page.getByRole('status').textContent(), 'Cancelled.')
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
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

test('on a host without COOP and COEP it runs in one thread and says why', async () => {
  const page = await openPage(host.address)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  assert.match((await page.locator('#facts').textContent()) ?? '', /wasm × 1 threadModel/)
  assert.match((await page.locator('#note').textContent()) ?? '', /COOP and COEP/)
  await page.close()
})

/** A page that fails the test on anything the browser complains about: a blocked address, an exception. */
async function openPage(address: string): Promise<Page> {
  const page = await browser.newPage()
  page.on('pageerror', error => assert.fail(error))
  page.on('console', message => message.type() === 'error' && assert.fail(message.text()))
  await page.goto(address)
  await page.locator('#scale option').first().waitFor({ state: 'attached' })
  return page
}

async function downloadFrom(page: Page) {
  const link = page.locator('#download')
  await link.waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
  return download
}

const drop = (page: Page, name: string, bytes: Uint8Array) =>
  give(page, "new DragEvent('drop', { dataTransfer: transfer, bubbles: true })", name, bytes)
const paste = (page: Page, name: string, bytes: Uint8Array) =>
  give(page, "new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true })", name, bytes)

async function give(page: Page, event: string, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(`(() => {
    const transfer = new DataTransfer()
    const bytes = Uint8Array.from(atob('${Buffer.from(bytes).toString('base64')}'), letter => letter.charCodeAt(0))
    transfer.items.add(new File([bytes], ${JSON.stringify(name)}))
    document.body.dispatchEvent(${event})
  })()`)
}

const smallPicture = async () => ({ name: 'small.png', mimeType: 'image/png', buffer: await raw(drawPhoto(40, 30)).png().toBuffer() })
