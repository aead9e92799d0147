import { ERROR_TABLE, type ErrorCode } from '../errors.js'
import { LIMITS } from '../infer/limits.js'
import { SERVER_LIMITS } from './limits.js'
import type { Answer, Api, Method, Operation, Parameter, PathItem, Schema } from './openapi-parts.js'
import { PROBLEM_TYPE } from './problem.js'

/** The description of the interface as a page of HTML: no script, and its style from a file of ours (`/docs/style.css`). */
export function renderApi(api: Api, origin: string): string {
  const operations = operationsOf(api)
  const { title, version, description } = api.info
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)} – HTTP interface</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header>
<h1>${text(title)} <small>${text(version)}</small></h1>
<p>${text(description)} This page is made of <a href="/openapi.json">openapi.json</a> (OpenAPI ${text(api.openapi)}).</p>
${api.security.length > 0 ? `<p>An API key is asked for: <code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>.</p>` : ''}
</header>
<nav aria-label="Contents">
${api.tags.map(({ name }) => navGroup(name, operations)).join('\n')}
<h2>Tables</h2>
<ul><li><a href="#errors">Errors</a></li><li><a href="#limits">Limits</a></li></ul>
</nav>
<main>
${api.tags.map(tag => section(tag, operations, api, origin)).join('\n')}
${errorSection(operations)}
${limitSection()}
</main>
</body>
</html>
`
}

interface Placed {
  path: string
  method: Method
  operation: Operation
}

const operationsOf = ({ paths }: Api): Placed[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    (Object.entries(item) as [keyof PathItem & Method, Operation][]).map(([method, operation]) => ({ path, method, operation })),
  )

const ofTag = (name: string, operations: Placed[]) => operations.filter(({ operation }) => operation.tags[0] === name)

function navGroup(name: string, operations: Placed[]): string {
  const items = ofTag(name, operations).map(
    ({ path, method, operation }) =>
      `<li><a href="#${operation.operationId}">${badge(method)}<span class="path">${text(path)}</span></a></li>`,
  )
  return `<h2>${text(name)}</h2>\n<ul>${items.join('')}</ul>`
}

function section({ name, description }: Api['tags'][number], operations: Placed[], api: Api, origin: string): string {
  const articles = ofTag(name, operations).map(placed => article(placed, api, origin))
  return `<section><h2>${text(name)}</h2><p>${text(description)}</p>\n${articles.join('\n')}</section>`
}

function article({ path, method, operation }: Placed, api: Api, origin: string): string {
  const { operationId: id, summary, description, parameters = [], requestBody, responses } = operation
  return `<article id="${id}">
<h3>${badge(method)}<a href="#${id}" class="path">${text(path)}</a></h3>
<p><strong>${text(summary)}.</strong>${description === undefined ? '' : ` ${text(description)}.`.replace('..', '.')}</p>
<pre>${text(curlFor({ path, method, operation }, api, origin))}</pre>
${requestBody === undefined ? '' : `<h4>Body</h4><p>${text(requestBody.description)}: ${kinds(requestBody.content)}</p>`}
${parameterTable('query', parameters)}${parameterTable('path', parameters)}${parameterTable('header', parameters)}
${answerTable(responses)}
</article>`
}

const WORDS = { query: 'Options, in the form or in the query', path: 'In the path', header: 'Headers' }

function parameterTable(place: Parameter['in'], parameters: Parameter[]): string {
  const rows = parameters
    .filter(parameter => parameter.in === place)
    .map(({ name, description = '', schema }) => [code(name), valuesOf(schema), code(schema.default), text(description)])
  return rows.length === 0 ? '' : `<h4>${WORDS[place]}</h4>${table(['name', 'values', 'default', 'meaning'], rows)}`
}

function answerTable(responses: Record<string, Answer>): string {
  const entries = Object.entries(responses)
  const good = entries.filter(([status]) => Number(status) < 400)
  const bad = entries.filter(([status]) => Number(status) >= 400)
  const rows = good.map(([status, { description, content = {}, headers = {} }]) => [
    `<span class="good">${status}</span>`,
    `${text(description)}${kinds(content) === '' ? '' : `: ${kinds(content)}`}`,
    Object.keys(headers).map(code).join(', '),
  ])
  const errors = bad.flatMap(([status, answer]) =>
    codesOf(answer).map(name => [`<span class="bad">${status}</span>`, code(name), text(ERROR_TABLE[name].title)]),
  )
  return `<h4>Answers</h4>${table(['status', 'what', 'headers'], rows)}
<details><summary>${errors.length} errors</summary>${table(['status', 'code', 'meaning'], errors)}</details>`
}

function errorSection(operations: Placed[]): string {
  const codes = new Set(operations.flatMap(({ operation }) => Object.values(operation.responses).flatMap(codesOf)))
  const rows = [...codes]
    .sort((a, b) => ERROR_TABLE[a].status - ERROR_TABLE[b].status || a.localeCompare(b))
    .map(name => [`<span class="bad">${ERROR_TABLE[name].status}</span>`, code(name), text(ERROR_TABLE[name].title)])
  return `<section id="errors"><h2>Errors</h2>
<p>An error is ${code(PROBLEM_TYPE)} (RFC 9457): the members type, title, status, detail and code, and where they help param, expected and got.</p>
<article>${table(['status', 'code', 'meaning'], rows)}</article></section>`
}

function limitSection(): string {
  const rows = [...Object.values(SERVER_LIMITS), ...Object.values(LIMITS)].map(({ variable, fallback, about }) => [
    code(variable),
    code(fallback),
    text(about),
  ])
  return `<section id="limits"><h2>Limits</h2>
<p>Set by variables of the server's environment; these are the defaults.</p>
<article>${table(['variable', 'default', 'bounds'], rows)}</article></section>`
}

const codesOf = ({ content }: Answer): ErrorCode[] => Object.keys(content?.[PROBLEM_TYPE]?.examples ?? {}) as ErrorCode[]

/** A command to try it with. */
function curlFor({ path, method, operation }: Placed, api: Api, origin: string): string {
  const { parameters = [], requestBody, responses, security } = operation
  const url = path.replace(/\{(\w+)\}/g, (_, name) => String(parameters.find(p => p.name === name)?.example ?? name.toUpperCase()))
  const words = ['curl']
  if (method !== 'get' && !requestBody) words.push(`-X ${method.toUpperCase()}`)
  if (api.security.length > 0 && security === undefined) words.push('-H "Authorization: Bearer $KEY"')
  const key = parameters.find(({ name }) => name === 'Idempotency-Key')
  if (key) words.push(`-H 'Idempotency-Key: ${key.example}'`)
  if (requestBody) words.push('-F img=@low.png -F scale=2')
  words.push(`${origin}${url}`)
  if (isPicture(responses['200'])) words.push('-o high.png')
  return words.join(' ').length < 100 ? words.join(' ') : words.join(' \\\n  ')
}

const isPicture = (answer: Answer | undefined): boolean => Object.keys(answer?.content ?? {}).some(type => type.startsWith('image/'))

const kinds = (content: Record<string, unknown>): string => Object.keys(content).map(code).join(', ')

function valuesOf({ anyOf, enum: choices, type, minimum, maximum, pattern, format }: Schema): string {
  if (Array.isArray(anyOf)) return (anyOf as Schema[]).map(valuesOf).join(', ')
  if (Array.isArray(choices)) return choices.map(code).join(', ')
  if (minimum !== undefined && maximum !== undefined) return `${text(minimum)} to ${text(maximum)}`
  if (type === 'boolean') return `${code(true)}, ${code(false)}`
  return pattern === undefined ? text(format ?? type) : code(pattern)
}

const badge = (method: Method): string => `<span class="method ${method}">${method.toUpperCase()}</span>`

function table(heads: string[], rows: string[][]): string {
  const cells = (tag: string, row: string[]) => `<tr>${row.map(cell => `<${tag}>${cell}</${tag}>`).join('')}</tr>`
  return `<div class="table"><table><thead>${cells('th', heads)}</thead><tbody>${rows.map(row => cells('td', row)).join('')}</tbody></table></div>`
}

const code = (value: unknown): string => (value === undefined ? '' : `<code>${text(value)}</code>`)

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const text = (value: unknown): string => String(value).replace(/[&<>"']/g, c => ENTITIES[c]!)
