import { checkInputSize } from '../web/limits.js'
import { createUpscaler, MAX_OUTPUT_PIXELS, UprezError, type UpscaleResult, type Upscaler } from '../web/upscaler.js'
import { watchIntake } from './intake.js'
import { createViewer } from './viewer.js'
import { durationInWords, factsInWords, noteInWords, progressInWords, resultName, runningInWords } from './words.js'

const byId = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E

const [modelChoice, scaleChoice, formatChoice] = [
  byId<HTMLSelectElement>('model'),
  byId<HTMLSelectElement>('scale'),
  byId<HTMLSelectElement>('format'),
]
const viewer = createViewer({
  stage: byId('stage'),
  before: byId<HTMLImageElement>('before'),
  after: byId<HTMLImageElement>('after'),
  handle: byId('handle'),
  zoom: byId('zoom'),
})

let picture: { blob: Blob; name: string; address: string } | undefined
let resultAddress: string | undefined
let work: AbortController | undefined

let models: ModelEntry[] = []
// A picture may come in before the list is there.
const listed = listModels().then(fillChoices)
listed.catch(showError)
watchIntake(take, showError)
for (const choice of [modelChoice, scaleChoice, formatChoice]) {
  choice.addEventListener('change', () => {
    if (choice === modelChoice) fillScales()
    enlarge()
  })
}
byId('cancel').addEventListener('click', () => {
  startOver()
  announce('Cancelled.')
})
byId('another').addEventListener('click', startOver)

function take(blob: Blob, name: string): void {
  if (picture) URL.revokeObjectURL(picture.address)
  picture = { blob, name, address: URL.createObjectURL(blob) }
  enlarge()
}

/** The whole story of one picture, from the model's start to the download link. */
async function enlarge(): Promise<void> {
  if (!picture) return
  work?.abort()
  work = new AbortController()
  const { signal } = work
  const { blob, name, address } = picture
  forgetResult()
  showWorking('Loading the model…')
  try {
    await listed
    signal.throwIfAborted()
    const scale = Number(scaleChoice.value)
    await showBefore(address, scale, signal)
    const upscaler = await upscalerFor(modelChoice.value)
    signal.throwIfAborted()
    const begun = performance.now()
    const result = await upscaler.upscale(blob, {
      scale,
      format: formatChoice.value as 'auto',
      signal,
      onProgress: progress =>
        showProgress(
          progress.done / progress.total,
          progressInWords(progress, performance.now() - begun),
          runningInWords(upscaler.running),
        ),
    })
    showResult(result, name, blob.size)
  } catch (error) {
    // Who ended it has the page now.
    if (signal.aborted) return
    if (error instanceof UprezError && error.code === 'engine-crashed') current = undefined
    if (otherChoicesMayHelp(error)) showChoices(address)
    else startOver()
    showError(error)
  }
}

// The file may be no picture at all; the upscaler says so better than an empty frame does.
async function showBefore(address: string, scale: number, signal: AbortSignal): Promise<void> {
  const probe = new Image()
  const loaded = new Promise<boolean>(resolve => {
    probe.onload = () => resolve(true)
    probe.onerror = () => resolve(false)
  })
  probe.src = address
  const isPicture = await loaded
  signal.throwIfAborted()
  if (!isPicture) return
  // Loaded is not decoded: that happens when the picture is shown, which one too large for a tab must never be.
  checkInputSize({ width: probe.naturalWidth, height: probe.naturalHeight }, modelChosen().scale)
  viewer.showBefore(address, probe.naturalWidth * scale, probe.naturalHeight * scale)
  showSection('result')
}

function showResult(result: UpscaleResult, name: string, inputBytes: number): void {
  resultAddress = URL.createObjectURL(result.blob)
  viewer.showAfter(resultAddress, result.width, result.height)
  showSection('result')
  byId('working').hidden = true
  const link = byId<HTMLAnchorElement>('download')
  link.href = resultAddress
  link.download = resultName(name, result)
  link.hidden = false
  byId('facts').replaceChildren(...factsInWords(result, inputBytes).map(([term, value]) => fact(term, value)))
  byId('facts').hidden = false
  const note = noteInWords(result, crossOriginIsolated)
  byId('note').textContent = note
  byId('note').hidden = note === null
  announce(
    `Done: ${result.width} by ${result.height} pixels in ${durationInWords(result.milliseconds)}. A slider compares before and after.`,
  )
}

/** False where the list of models never came, and where the file itself is at fault. */
function otherChoicesMayHelp(error: unknown): boolean {
  if (models.length === 0) return false
  return !(error instanceof UprezError && error.param === 'image' && error.code !== 'too-many-pixels')
}

function showChoices(address: string): void {
  // What is in view may still be the picture before this one.
  if (byId<HTMLImageElement>('before').src !== address) viewer.clear()
  byId('working').hidden = true
  showSection('result')
}

function showSection(id: 'intake' | 'result'): void {
  for (const section of ['intake', 'result']) byId(section).hidden = section !== id
}

function fact(term: string, value: string): HTMLElement {
  const group = document.createElement('div')
  const dt = document.createElement('dt')
  const dd = document.createElement('dd')
  dt.textContent = term
  dd.textContent = value
  group.append(dt, dd)
  return group
}

function showWorking(text: string): void {
  for (const id of ['alert', 'facts', 'note', 'download']) byId(id).hidden = true
  byId('working').hidden = false
  byId('working-text').textContent = text
  byId<HTMLProgressElement>('bar').removeAttribute('value')
  announce(text)
}

let announcedQuarter = 0
function showProgress(fraction: number, text: string, running: string): void {
  if (fraction > 0) byId<HTMLProgressElement>('bar').value = fraction
  byId('working-text').textContent = `${text} · ${running}`
  const quarter = Math.floor(fraction * 4)
  if (quarter !== announcedQuarter && quarter < 4 && quarter > 0) announce(`${quarter * 25} percent done`)
  announcedQuarter = quarter
}

function showError(error: unknown): void {
  byId('alert-title').textContent =
    error instanceof UprezError && error.code !== 'internal' ? 'This picture was not enlarged.' : 'Something went wrong in this page.'
  byId('alert-text').textContent = error instanceof Error ? error.message : String(error)
  byId('alert').hidden = false
  byId('alert').scrollIntoView({ block: 'nearest' })
}

function announce(text: string): void {
  byId('status').textContent = text
}

function startOver(): void {
  work?.abort()
  work = undefined
  if (picture) URL.revokeObjectURL(picture.address)
  picture = undefined
  forgetResult()
  viewer.clear()
  byId('alert').hidden = true
  showSection('intake')
  byId('file').focus()
}

function forgetResult(): void {
  viewer.hideAfter()
  if (resultAddress) URL.revokeObjectURL(resultAddress)
  resultAddress = undefined
}

let current: { model: string; upscaler: Promise<Upscaler> } | undefined

/** One model at a time: another one ends the worker and its memory. */
async function upscalerFor(model: string): Promise<Upscaler> {
  if (current?.model !== model) {
    current?.upscaler.then(old => old.close()).catch(() => {})
    current = { model, upscaler: createUpscaler({ model }) }
  }
  const mine = current
  return mine.upscaler.catch(error => {
    if (current === mine) current = undefined
    throw error
  })
}

interface ModelEntry {
  id: string
  title: string
  purpose: string
  scale: number
  default: boolean
  parameters: number
}

async function listModels(): Promise<ModelEntry[]> {
  const response = await fetch('./models/index.json').catch(() => undefined)
  if (!response?.ok) throw new Error('The list of models could not be fetched; load the page again.')
  const { models } = (await response.json()) as { models: ModelEntry[] }
  if (models.length === 0) throw new Error('There is no model here.')
  return models
}

/** The default first, then the quickest first. */
function fillChoices(list: ModelEntry[]): void {
  models = list.sort((a, b) => Number(b.default) - Number(a.default) || a.parameters - b.parameters || a.id.localeCompare(b.id))
  modelChoice.replaceChildren(...models.map(({ id, title, purpose }) => Object.assign(new Option(title, id), { title: purpose })))
  byId('model-field').hidden = models.length < 2
  fillScales()
}

function fillScales(): void {
  const own = modelChosen().scale
  const scales = Array.from({ length: Math.max(1, own - 1) }, (_, i) => own - i)
  scaleChoice.replaceChildren(...scales.map(scale => new Option(`× ${scale}`, String(scale))))
  byId('limit').textContent = String(Math.floor(MAX_OUTPUT_PIXELS / own ** 2 / 1e4) / 100)
}

const modelChosen = () => models.find(({ id }) => id === modelChoice.value)!
