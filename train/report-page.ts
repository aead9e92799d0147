import { formatDuration } from './duration.js'
import { METRICS } from './loop-options.js'
import type { RunFacts } from './report.js'
import { drawChart, short } from './report-chart.js'

type Curve = readonly [step: number, value: number][]

/**
 * The report of a run as one HTML page: nothing is fetched (its policy forbids it), no script runs.
 * @param now when it was made
 */
export function reportPage(facts: RunFacts, now: Date): string {
  const { name, config } = facts
  const step = Math.max(0, ...[...facts.curves.values()].map(curve => curve.at(-1)![0]))
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${text(name)}: ${text(config.preset)}, a uprez training run</title>
<style>${STYLE}</style>
<header>
  <h1>${text(name)}</h1>
  <p>${text([config.preset, config.recipe, `×${config.scale}`, config.engine, `seed ${config.seed}`].filter(Boolean).join(' · '))}</p>
  <progress max="${config.schedule.steps}" value="${step}" aria-label="steps done"></progress>
  <p>${stateOf(facts, step)}</p>
</header>
<main>
${tiles(facts, step)}
${charts(facts)}
${samples(facts)}
${settings(facts)}
${network(facts)}
${data(facts)}
</main>
<footer><p>Made by <code>uprez report</code>, ${time(now)}.</p></footer>
</html>
`
}

function stateOf({ config, starts, written }: RunFacts, step: number): string {
  const { steps } = config.schedule
  const done = `step ${step.toLocaleString('en')} of ${steps.toLocaleString('en')}`
  const again = starts.length > 1 ? `, gone on with ${starts.length - 1} ${starts.length === 2 ? 'time' : 'times'}` : ''
  const begun = starts[0] ? ` Begun ${time(starts[0])}${again}.` : ''
  const last = written ? ` Last entry ${time(written)}.` : ' Nothing has been logged yet.'
  return `${step >= steps ? 'Finished: ' : ''}${done}.${begun}${last}`
}

/** The figures that one looks for first. */
function tiles({ curves, config }: RunFacts, step: number): string {
  const speed = curves.get('steps per second')
  const waits = curves.get('data wait')
  const rate = speed?.at(-1)?.[1]
  const left = config.schedule.steps - step
  const scores = [...curves].filter(([name]) => name.startsWith('validation/'))
  const list: [string, string, string][] = [
    ...scores.map(([name, curve]): [string, string, string] => {
      const [at, value] = bestOf(name, curve)!
      return [`best ${metricOf(name)}`, unit(name, value), `at step ${at.toLocaleString('en')}; now ${unit(name, curve.at(-1)![1])}`]
    }),
    ...(speed && rate
      ? [
          ['steps per second', short(Number(rate.toFixed(2))), `${formatDuration(trained(speed))} of training`] as [string, string, string],
          ...(left > 0 ? [['left', formatDuration(left / rate), 'at this speed'] as [string, string, string]] : []),
        ]
      : []),
    ...(waits ? [['data wait', percent(waits.at(-1)![1]), 'of the time of a step'] as [string, string, string]] : []),
  ]
  if (list.length === 0) return ''
  return `<dl class="tiles">${list.map(([what, value, more]) => `<div><dt>${text(what)}</dt><dd>${text(value)}</dd><dd class="quiet">${text(more)}</dd></div>`).join('')}</dl>`
}

/** Seconds of steps alone: the intervals between the entries at the speed that they tell. */
function trained(speed: Curve): number {
  return speed.reduce((sum, [step, rate], i) => sum + (step - (speed[i - 1]?.[0] ?? 0)) / rate, 0)
}

function charts({ curves }: RunFacts): string {
  const sections = new Map<string, string[]>([['validation', []]])
  for (const [name, curve] of curves) {
    const at = name.indexOf('/')
    const section = at < 0 ? 'course' : name.slice(0, at)
    sections.set(section, [...(sections.get(section) ?? []), chartOf(name, name.slice(at + 1), curve)])
  }
  // What has no group goes last.
  const order = [...sections].sort(([a], [b]) => Number(a === 'course') - Number(b === 'course'))
  return order
    .filter(([, figures]) => figures.length > 0)
    .map(([section, figures]) => `<section><h2>${text(title(section))}</h2><div class="charts">${figures.join('')}</div></section>`)
    .join('\n')
}

function chartOf(name: string, caption: string, curve: Curve): string {
  const [step, value] = curve.at(-1)!
  const mark = bestOf(name, curve)
  const words = `${caption}: ${unit(name, value)} at step ${step}`
  const jumps = name.includes('/') && !mark
  const picture = drawChart({ points: curve, smooth: jumps && curve.length > 20, bySize: jumps, mark, label: text(words) })
  return `<figure><figcaption>${text(caption)} <b>${text(unit(name, value))}</b></figcaption>${picture}</figure>`
}

function samples({ sheets }: RunFacts): string {
  const newest = sheets.at(-1)
  if (!newest) return ''
  const picture = ({ step, dataUri }: { step: number; dataUri: string }) =>
    `<div class="sheet"><img src="${dataUri}" alt="samples of step ${step}: low side, bicubic, ours, original"></div>`
  const earlier = sheets
    .slice(0, -1)
    .reverse()
    .map(sheet => `<details><summary>Step ${sheet.step.toLocaleString('en')}</summary>${picture(sheet)}</details>`)
  return `<section><h2>Samples</h2>
<p class="quiet">Step ${newest.step.toLocaleString('en')}, images kept out of training; from left to right: low side, bicubic, ours, original.</p>
${picture(newest)}
${earlier.join('\n')}</section>`
}

function settings({ config, overrides }: RunFacts): string {
  const rows = Object.entries(overrides)
  const what = `<h2>Settings</h2><p class="quiet">What differs from the preset ${text(config.preset)}; all options are in config.json.</p>`
  if (rows.length === 0) return `<section><h2>Settings</h2><p>The preset ${text(config.preset)} as it is.</p></section>`
  return `<section>${what}${table(rows.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]))}</section>`
}

function network({ about, config }: RunFacts): string {
  if (!about) return ''
  const field = about.receptiveField === null ? 'the whole picture' : `${about.receptiveField} pixels around each`
  return `<section><h2>Network</h2>${table([
    ['parameters', about.parameters.toLocaleString('en')],
    ['operations per input pixel', about.flopsPerPixel.toLocaleString('en')],
    ['sees', field],
    ['sides of a picture', about.sizeMultiple === 1 ? 'any' : `multiples of ${about.sizeMultiple}`],
    ['begun with', config.from ?? 'random weights'],
    ['compared features of', about.training.featureLoss ?? 'none'],
    ['saved after step', about.training.steps.toLocaleString('en')],
  ])}</section>`
}

function data({ about, config }: RunFacts): string {
  const { patch, batch, folders, source, licence } = config.data
  const sources = about?.training.data ?? [{ name: folders.join(', '), source, licence, images: undefined }]
  const rows = sources.flatMap(({ name, source, licence, images }) => [
    ['images', images === undefined ? name : `${images.toLocaleString('en')} of ${name}`],
    ['source', source],
    ['licence', licence],
  ])
  const taken = `${batch} patches of ${patch}×${patch} low-resolution pixels`
  return `<section><h2>Data</h2>${table([...rows, ['a step takes', taken]] as [string, string][])}</section>`
}

function table(rows: [string, string][]): string {
  return `<table>${rows.map(([name, value]) => `<tr><th scope="row">${text(name).replaceAll('.', '.<wbr>')}</th><td>${text(value)}</td></tr>`).join('')}</table>`
}

/** The best validation, where a metric has one. */
function bestOf(name: string, curve: Curve): [number, number] | undefined {
  const better = name.startsWith('validation/') ? (METRICS[metricOf(name)] ?? 'higher') : undefined
  if (better === undefined) return undefined
  return [...curve].reduce((best, point) => ((better === 'higher' ? point[1] > best[1] : point[1] < best[1]) ? point : best))
}

const metricOf = (name: string): string => name.slice(name.indexOf('/') + 1)

function unit(name: string, value: number): string {
  if (name === 'data wait') return percent(value)
  return /PSNR/.test(name) ? `${value.toFixed(2)} dB` : short(value)
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`

const title = (word: string): string => word[0]!.toUpperCase() + word.slice(1)

const time = (date: Date): string =>
  `<time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`

function text(value: string): string {
  return value.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

const STYLE = `
:root { color-scheme: light dark; --ground: #f6f5f2; --card: #fff; --ink: #1c1f21; --quiet: #62686c; --line: #dcdad4; --accent: #0f766e; --best: #b45309 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #141718; --card: #1d2122; --ink: #eceeed; --quiet: #a0a8a8; --line: #33393a; --accent: #2dbfae; --best: #fbbf24 }
}
* { box-sizing: border-box }
body { max-width: 1120px; margin: 0 auto; padding: 24px 20px 48px; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
header p, .quiet, footer { color: var(--quiet) }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere }
h2 { margin: 40px 0 12px; font-size: 1.15rem }
p { margin: 4px 0 }
progress { width: 100%; height: 8px; margin-top: 12px; accent-color: var(--accent) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 24px 0 0 }
.tiles div, figure, table, details, .sheet { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.tiles div { padding: 12px 14px }
dt, figcaption { font-size: .9rem; color: var(--quiet) }
dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums }
dd.quiet { font-size: .85rem }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 12px }
figure { margin: 0; padding: 12px }
figcaption { display: flex; justify-content: space-between; gap: 12px }
figcaption b { color: var(--ink); font-variant-numeric: tabular-nums }
svg { display: block; width: 100%; height: auto; margin-top: 6px }
.grid { stroke: var(--line); stroke-width: 1 }
.axis { fill: var(--quiet); font-size: 11px }
.raw, .line { fill: none; stroke: var(--accent); stroke-linejoin: round }
.raw { stroke-width: 1; opacity: .35 }
.line { stroke-width: 2 }
.dot { fill: var(--accent) }
.mark { fill: none; stroke: var(--best); stroke-width: 2 }
.sheet { overflow-x: auto; margin-top: 8px; padding: 8px }
.sheet img { display: block; width: 100%; min-width: 640px; border-radius: 4px }
details { margin-top: 8px; padding: 8px 14px }
summary { cursor: pointer }
details .sheet { border: 0; padding: 0 }
table { width: 100%; border-collapse: separate; border-spacing: 0; padding: 4px 14px }
th, td { padding: 7px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); overflow-wrap: anywhere }
tr:first-child > * { border-top: 0 }
th { width: 38%; padding-right: 16px; font-weight: 500; color: var(--quiet) }
footer { margin-top: 40px; font-size: .85rem }
`
