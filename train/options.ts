import { z } from 'zod'

/** One option of a training run, as its schema tells. */
export interface Option {
  /** Full name: `losses.gan.weight`. */
  name: string
  /** The kind of its group that has it, where the group is one of several kinds. */
  kind?: string
  /** JSON, or undefined where there is no default. */
  default?: unknown
  /** What may be given: `integer 1…64`, `l1 | l2`. */
  type: string
  description: string
}

/** What JSON Schema says of one value. */
interface Node {
  type?: string
  properties?: Record<string, Node>
  oneOf?: Node[]
  anyOf?: Node[]
  enum?: unknown[]
  const?: unknown
  items?: Node
  prefixItems?: Node[]
  additionalProperties?: Node | boolean
  default?: unknown
  description?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
}

/** Every option of a schema, group by group in its order. */
export function listOptions(schema: z.ZodType): Option[] {
  return walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node, '')
}

/** The groups that are one of several kinds, with the kinds: setting another `kind` replaces the whole group. */
export function listKinds(schema: z.ZodType): Map<string, string[]> {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node
  const groups = Object.entries(properties).map(([name, node]) => [name, branches(node).map(kindOf)] as const)
  return new Map(groups.filter(([, kinds]) => kinds.length > 0))
}

/** The options as a Markdown table: the page docs/options.md. */
export function optionsTable(options: Option[]): string {
  const rows = options.map(({ name, kind, default: value, type, description }) => {
    const cells = [`\`${name}\`${kind ? ` (${kind})` : ''}`, type, value === undefined ? '' : `\`${JSON.stringify(value)}\``, description]
    return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| option | values | default | |', '|---|---|---|---|', ...rows].join('\n')
}

function walk(node: Node, name: string, kind?: string): Option[] {
  const kinds = branches(node)
  if (kinds.length > 0) {
    const one: Option = { name: `${name}.kind`, type: kinds.map(kindOf).join(' | '), description: node.description ?? '' }
    const chosen = (node.default as { kind?: string } | undefined)?.kind
    if (chosen) one.default = chosen
    return [one, ...kinds.flatMap(branch => walk(without(branch, 'kind'), name, kindOf(branch)))]
  }
  if (node.properties) {
    return Object.entries(node.properties).flatMap(([key, inner]) => walk(inner, name ? `${name}.${key}` : key, kind))
  }
  const option: Option = { name, type: typeOf(node), description: node.description ?? '' }
  if (kind) option.kind = kind
  if (node.default !== undefined) option.default = node.default
  return [option]
}

function branches(node: Node): Node[] {
  return (node.oneOf ?? node.anyOf ?? []).filter(branch => kindOf(branch) !== '')
}

function kindOf(branch: Node): string {
  return String(branch.properties?.kind?.const ?? '')
}

function without(node: Node, key: string): Node {
  const { [key]: _, ...properties } = node.properties ?? {}
  return { ...node, properties }
}

function typeOf(node: Node): string {
  if (node.enum) return node.enum.join(' | ')
  if (node.const !== undefined) return String(node.const)
  if (node.anyOf ?? node.oneOf) return (node.anyOf ?? node.oneOf)!.map(typeOf).join(' or ')
  if (node.prefixItems) return `[${node.prefixItems.map(typeOf).join(', ')}]`
  if (node.type === 'array') return `list of ${node.items ? typeOf(node.items) : 'values'}`
  if (node.type === 'object') return typeof node.additionalProperties === 'object' ? `name: ${typeOf(node.additionalProperties)}` : 'object'
  return `${node.type ?? 'value'}${bounds(node)}`
}

/** zod writes the bounds of safe integers for every integer: those say nothing. */
function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  const from = exclusiveMinimum ?? (minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum)
  const to = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  if (from !== undefined && exclusiveMaximum !== undefined) return ` ${from}…<${exclusiveMaximum}`
  if (from !== undefined && to !== undefined) return ` ${from}…${to}`
  if (from !== undefined) return exclusiveMinimum === undefined ? ` ≥ ${from}` : ` > ${from}`
  return to === undefined ? '' : ` ≤ ${to}`
}
