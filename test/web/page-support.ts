import assert from 'node:assert/strict'
import type { Browser, Download, Page } from 'playwright-core'
import { raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'

/** What a visitor of the page does. */

/** A page that fails the test on anything the browser complains about: a blocked address, an exception. */
export async function openPage(browser: Browser, address: string): Promise<Page> {
  const page = await browser.newPage()
  page.on('pageerror', error => assert.fail(error))
  page.on('console', message => message.type() === 'error' && assert.fail(message.text()))
  await visit(page, address)
  return page
}

/** A page of a test that lets something fail, of which the browser complains. */
export async function openTroubledPage(browser: Browser, address: string): Promise<Page> {
  const page = await browser.newPage()
  await visit(page, address)
  return page
}

async function visit(page: Page, address: string): Promise<void> {
  await page.goto(address)
  await page.locator('#scale option').first().waitFor({ state: 'attached' })
}

export async function downloadFrom(page: Page): Promise<Download> {
  const link = page.locator('#download')
  await link.waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
  return download
}

export const drop = (page: Page, name: string, bytes: Uint8Array): Promise<void> =>
  give(page, "new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true })", name, bytes)
export const paste = (page: Page, name: string, bytes: Uint8Array): Promise<void> =>
  give(page, "new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true })", name, bytes)

async function give(page: Page, event: string, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(`(() => {
    const transfer = new DataTransfer()
    const bytes = Uint8Array.from(atob('${Buffer.from(bytes).toString('base64')}'), letter => letter.charCodeAt(0))
    transfer.items.add(new File([bytes], ${JSON.stringify(name)}))
    document.body.dispatchEvent(${event})
  })()`)
}

/** Answers to this address are kept back until they are let go. */
export async function hold(page: Page, address: string): Promise<{ asked: Promise<void>; letGo: () => void }> {
  const [asked, gone] = [signal(), signal()]
  await page.route(address, async route => {
    asked.give()
    await gone.given
    await route.continue()
  })
  return { asked: asked.given, letGo: gone.give }
}

function signal(): { given: Promise<void>; give: () => void } {
  let give = () => {}
  const given = new Promise<void>(resolve => {
    give = resolve
  })
  return { given, give }
}

export interface PictureFile {
  name: string
  mimeType: string
  buffer: Buffer
}

export const pngFile = async (name: string, width: number, height: number): Promise<PictureFile> => ({
  name,
  mimeType: 'image/png',
  buffer: await raw(drawPhoto(width, height)).png().toBuffer(),
})

export const smallPicture = (): Promise<PictureFile> => pngFile('small.png', 40, 30)
