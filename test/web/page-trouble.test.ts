import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'
import { type Host, ISOLATED, openBrowser, PAGE_FOLDER, serveFolders } from './browser.js'
import { downloadFrom, drop, hold, openPage, openTroubledPage, pngFile, smallPicture } from './page-support.js'

/** The built page where something is given up, replaced or goes wrong: what stays in view, and what works afterwards. */

let host: Host
let browser: Browser

before(async () => {
  host = await serveFolders([['/', PAGE_FOLDER]], ISOLATED)
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await host?.close()
})

test('cancel goes back to the start, and the next picture works', async () => {
  const page = await openPage(browser, host.address)
  await page.setInputFiles('#file', await pngFile('large.png', 1200, 900))
  await page.getByText(/^Tile 2 of/).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('#intake').waitFor()
  assert.equal(await page.getByRole('status').textContent(), 'Cancelled.')
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  await page.close()
})

test('cancel is heard while the model still loads', async () => {
  const page = await openPage(browser, host.address)
  const graph = await hold(page, '**/*.onnx')
  await page.setInputFiles('#file', await smallPicture())
  await graph.asked
  await page.getByText('Loading the model…').first().waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  assert.ok(await page.locator('#intake').isVisible())
  assert.equal(await page.getByRole('status').textContent(), 'Cancelled.')
  graph.letGo()
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  await page.close()
})

test('a picture given up in the moment before it is shown is not shown', async () => {
  const page = await openPage(browser, host.address)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  // The page asks an image of its own how large the picture is.
  await page.evaluate(`
    const Plain = Image
    window.Image = function () {
      const image = new Plain()
      image.addEventListener('load', () => document.getElementById('another').click())
      return image
    }`)
  await drop(page, 'late.png', (await pngFile('late.png', 600, 400)).buffer)
  await page.locator('#intake').waitFor()
  await framesOf(page)
  assert.ok(await page.locator('#intake').isVisible())
  assert.equal(await page.locator('#before').getAttribute('src'), null)
  await page.close()
})

test('a format that cannot be written leaves picture and choices in view', async () => {
  const page = await openPage(browser, host.address)
  // Enlarged it is wider than WebP can be, and "as the input" asks for WebP.
  const buffer = await raw(drawPhoto(4100, 8)).webp().toBuffer()
  await page.setInputFiles('#file', { name: 'wide.webp', mimeType: 'image/webp', buffer })
  await page.getByRole('alert').getByText('The result would be too large').waitFor()
  assert.ok(await page.locator('#before').isVisible())
  assert.ok(await page.locator('#working').isHidden())
  await page.getByLabel('Format').selectOption('png')
  await page.locator('#download[download="wide-x4.png"]').waitFor()
  assert.ok(await page.getByRole('alert').isHidden())
  await page.close()
})

test('a picture too large for the model is not shown, and a smaller model may take it', async () => {
  const page = await openPage(browser, host.address)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  const flat = sharp({ create: { width: 2600, height: 2500, channels: 3, background: '#678' } })
  await drop(page, 'large.png', await flat.png().toBuffer())
  await page.getByRole('alert').getByText('at most 6.25 megapixels').waitFor()
  assert.equal(await page.locator('#before').getAttribute('src'), null)
  assert.ok(await page.locator('#stage').isHidden())
  await page.getByLabel('Model').selectOption('fast-x2')
  await page.locator('#before').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.close()
})

test('after the worker has died the next picture gets a new one', async () => {
  const page = await openTroubledPage(browser, host.address)
  await page.setInputFiles('#file', await pngFile('large.png', 1200, 900))
  await page.getByText(/^Tile 2 of/).waitFor()
  await page.workers()[0]!.evaluate(`void setTimeout(() => { throw new Error('out of luck') })`)
  await page.getByRole('alert').getByText('The worker stopped').waitFor()
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  assert.ok(await page.getByRole('alert').isHidden())
  await page.close()
})

test('pictures no longer in view are let go', async () => {
  const page = await openTroubledPage(browser, host.address)
  const stillThere = (address: string) => page.evaluate<boolean>(`fetch('${address}').then(() => true, () => false)`)
  await page.setInputFiles('#file', await smallPicture())
  await downloadFrom(page)
  const first = (await page.locator('#after').getAttribute('src'))!
  assert.ok(await stillThere(first))
  const graph = await hold(page, '**/*.onnx')
  await page.getByLabel('Model').selectOption('real-x4')
  await graph.asked
  assert.equal(await stillThere(first), false)
  assert.equal(await page.locator('#after').getAttribute('src'), null)
  graph.letGo()
  await downloadFrom(page)
  const second = (await page.locator('#after').getAttribute('src'))!
  await page.getByRole('button', { name: 'Another picture' }).click()
  for (const image of ['#before', '#after']) assert.equal(await page.locator(image).getAttribute('src'), null)
  assert.equal(await stillThere(second), false)
  await page.close()
})

test('a sample or a list of models that does not come is told', async () => {
  const page = await openTroubledPage(browser, host.address)
  await page.route('**/harbour*', route => route.abort())
  await page.locator('[data-sample=harbour]').click()
  await page.getByRole('alert').getByText('The sample could not be fetched.').waitFor()
  await page.locator('[data-sample=desk]').click()
  await downloadFrom(page)
  await page.close()

  const bare = await browser.newPage()
  await bare.route('**/models/index.json', route => route.fulfill({ status: 500, body: 'no' }))
  await bare.goto(host.address)
  await bare.getByRole('alert').getByText('The list of models could not be fetched').waitFor()
  await drop(bare, 'small.png', (await smallPicture()).buffer)
  await bare.getByRole('alert').waitFor()
  assert.ok(await bare.locator('#intake').isVisible())
  await bare.close()
})

/** Two frames: what the page had to do is done, and seen. */
async function framesOf(page: Page): Promise<void> {
  await page.evaluate('new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
}
