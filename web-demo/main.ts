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

const models = await listModels().catch(error => {
  showError(error)
  return []
})
fillChoices()
watchIntake(take)
for (const choice of [modelChoice, scaleChoice, formatChoice]) {
  choice.addEventListener('change', () => {
    if (choice === modelChoice) fillScales()
    enlarge()
  })
}
byId('cancel').addEventListener('click', () => work?.abort())
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
  const scale = Number(scaleChoice.value)
  try {
    showWorking('Loading the model…')
    await showBefore(address, scale)
    const upscaler = await upscalerFor(modelChoice.value)
    if (signal.aborted) return
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
    await showResult(result, name, blob.size)
  } catch (error) {
    if (work?.signal !== signal) return
    const cancelled = signal.aborted
    startOver()
    if (cancelled) announce('Cancelled.')
    else showError(error)
  }
}

// The file may be no picture at all; the upscaler says so better than an empty frame does.
async function showBefore(address: string, scale: number): Promise<void> {
  const probe = new Image()
  probe.src = address
  await probe.decode().then(
    () => {
      viewer.showBefore(address, probe.naturalWidth * scale, probe.naturalHeight * scale)
      byId('intake').hidden = true
      byId('result').hidden = false
    },
    () => {},
  )
}

async function showResult(result: UpscaleResult, name: string, inputBytes: number): Promise<void> {
  const address = URL.createObjectURL(result.blob)
  if (resultAddress) URL.revokeObjectURL(resultAddress)
  resultAddress = address
  viewer.showAfter(address, result.width, result.height)
  byId('working').hidden = true
  const link = byId<HTMLAnchorElement>('download')
  link.href = address
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
  document.body.classList.add('busy')
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
}

function announce(text: string): void {
  byId('status').textContent = text
}

function startOver(): void {
  work?.abort()
  work = undefined
  if (picture) URL.revokeObjectURL(picture.address)
  if (resultAddress) URL.revokeObjectURL(resultAddress)
  picture = resultAddress = undefined
  byId('alert').hidden = true
  byId('result').hidden = true
  byId('intake').hidden = false
  byId('file').focus()
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
}

async function listModels(): Promise<ModelEntry[]> {
  const response = await fetch('./models/index.json')
  return ((await response.json()) as { models: ModelEntry[] }).models
}

function fillChoices(): void {
  modelChoice.replaceChildren(...models.map(({ id, title, purpose }) => Object.assign(new Option(title, id), { title: purpose })))
  byId('model-field').hidden = models.length < 2
  fillScales()
}

function fillScales(): void {
  const own = models.find(model => model.id === modelChoice.value)?.scale ?? 4
  const scales = Array.from({ length: own - 1 }, (_, i) => own - i)
  scaleChoice.replaceChildren(...scales.map(scale => new Option(`× ${scale}`, String(scale))))
  byId('limit').textContent = String(Math.floor(MAX_OUTPUT_PIXELS / own ** 2 / 1e5) / 10)
}
