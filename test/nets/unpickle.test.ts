import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import { unpickle } from '../../nets/unpickle.js'
import {
  APPEND,
  APPENDS,
  BUILD,
  code,
  code4,
  EMPTY_DICT,
  EMPTY_LIST,
  EMPTY_TUPLE,
  get,
  global,
  inst,
  int,
  LIST,
  MARK,
  MEMOIZE,
  NEWOBJ,
  NEWOBJ_EX,
  NONE,
  OBJ,
  PERSID,
  POP,
  pickle,
  put,
  REDUCE,
  SETITEM,
  SETITEMS,
  STACK_GLOBAL,
  STOP,
  TUPLE,
  TUPLE1,
  TUPLE2,
  text,
  tuple,
} from '../support/torch-file.js'

const NAMES = { 'collections.OrderedDict': () => new Map(), 'torch.FloatStorage': { bytes: 4 } }
const command = tuple(text('touch owned'))

/** A pickle's name, and what of it is refused. */
const PROGRAMS: Record<string, [refused: string, ...parts: Buffer[]]> = {
  'GLOBAL, REDUCE': ['os.system', global('os', 'system'), command, REDUCE],
  STACK_GLOBAL: ['posix.system', text('posix'), text('system'), STACK_GLOBAL, command, REDUCE],
  'STACK_GLOBAL of kept words': [
    'posix.system',
    EMPTY_LIST,
    MARK,
    text('system'),
    put(0),
    text('posix'),
    put(1),
    APPENDS,
    get(1),
    get(0),
    STACK_GLOBAL,
  ],
  INST: ['os.system', MARK, text('touch owned'), inst('os', 'system')],
  OBJ: ['subprocess.Popen', MARK, global('subprocess', 'Popen'), text('touch owned'), OBJ],
  NEWOBJ: ['subprocess.Popen', global('subprocess', 'Popen'), command, NEWOBJ],
  NEWOBJ_EX: ['subprocess.Popen', global('subprocess', 'Popen'), command, EMPTY_DICT, NEWOBJ_EX],
  'BUILD, by __setstate__': ['types.SimpleNamespace', global('types', 'SimpleNamespace'), EMPTY_TUPLE, REDUCE, EMPTY_DICT, BUILD],
  eval: ['builtins.eval', global('builtins', 'eval'), command, REDUCE],
  'eval of Python 2': ['__builtin__.eval', global('__builtin__', 'eval'), command, REDUCE],
  'a way to any attribute': ['builtins.getattr', global('builtins', 'getattr'), tuple(global('os', 'path'), text('os')), REDUCE],
  'an attribute of what is allowed': ['collections.OrderedDict.__init__', text('collections'), text('OrderedDict.__init__'), STACK_GLOBAL],
  'another name of a module that is allowed': ['torch.load', global('torch', 'load'), command, REDUCE],
  'a name of JavaScript': ['constructor.constructor', global('constructor', 'constructor'), command, REDUCE],
  'what every object of JavaScript has': ['.__proto__', global('', '__proto__')],
  'a whole module': ['torch.nn.modules.conv.Conv2d', global('torch.nn.modules.conv', 'Conv2d'), EMPTY_TUPLE, NEWOBJ],
}

for (const [name, [refused, ...parts]] of Object.entries(PROGRAMS)) {
  test(`a pickle that names what is no part of weights is refused by that name: ${name}`, () => {
    assert.throws(() => read(pickle(...parts)), { code: 'unsafe-weights', got: refused, message: new RegExp(`it names ${refused}, `) })
  })
}

test('what is refused is said in a line, however long its name', () => {
  assert.throws(
    () => read(pickle(global('o'.repeat(1e6), 'system'))),
    ({ message }: Error) => message.length < 400,
  )
})

test('what may be named may be called only if it is a function', () => {
  for (const parts of [
    [global('torch', 'FloatStorage'), EMPTY_TUPLE, REDUCE],
    [text('os.system'), EMPTY_TUPLE, REDUCE],
    [MARK, int(1), OBJ],
    [MARK, OBJ],
    [global('collections', 'OrderedDict'), text('no tuple'), REDUCE],
    [global('collections', 'OrderedDict'), MARK, ...Array<Buffer>(1000).fill(NONE), TUPLE, REDUCE],
  ]) {
    assert.throws(() => read(pickle(...parts)), { code: 'invalid-weights' })
  }
})

/** What is damaged, and the reason that is given. */
const DAMAGED: Record<string, [reason: RegExp, bytes: Buffer]> = {
  nothing: [/ends too early/, Buffer.alloc(0)],
  'no end': [/ends too early/, Buffer.concat([code(0x80, 2), NONE])],
  'a protocol to come': [/protocol/, Buffer.concat([code(0x80, 200), NONE, STOP])],
  'an empty stack': [/empty stack/, pickle()],
  'more taken than given': [/empty stack/, pickle(NONE, POP, POP)],
  'a mark taken for a value': [/empty stack/, pickle(MARK, POP)],
  'a mark that is missing': [/mark is missing/, pickle(NONE, TUPLE)],
  'what was never kept': [/never kept/, pickle(get(0))],
  'a text of 4 GB': [/ends too early/, pickle(code4('X', 0xffffffff))],
  'bytes of 4 GB': [/ends too early/, pickle(code4('B', 0xffffffff))],
  'a text of less than nothing': [/ends too early/, pickle(code4('T', -5))],
  'an integer of 2 GB': [/integer is too long/, pickle(code4(0x8b, 0x7fffffff))],
  'an integer of less than nothing': [/ends too early/, pickle(code4(0x8b, -1))],
  'a name without an end': [/line does not end/, Buffer.concat([code(0x80, 2), Buffer.from('cos')])],
  'a name that is no text': [/name is no text/, pickle(EMPTY_LIST, text('system'), STACK_GLOBAL)],
  'an entry without a dictionary': [/no dictionary/, pickle(EMPTY_LIST, NONE, NONE, SETITEM)],
  'a value appended to a dictionary': [/no list/, pickle(EMPTY_DICT, NONE, APPEND)],
  'the registry of extensions': [/opcode 0x82/, pickle(code(0x82, 1))],
  'a buffer from elsewhere': [/opcode 0x97/, pickle(code(0x97))],
}

for (const [name, [reason, bytes]] of Object.entries(DAMAGED)) {
  test(`a damaged pickle is refused, with the place and the reason: ${name}`, () => {
    assert.throws(() => read(bytes), {
      code: 'invalid-weights',
      message: new RegExp(`^file: the pickle is damaged at byte \\d+: .*${reason.source}`),
    })
  })
}

test('lists in lists a million deep, and a list of a million, are read', () => {
  let deepest = read(pickle(EMPTY_LIST, Buffer.alloc(1e6, TUPLE1)))
  for (let i = 0; i < 1e6; i++) deepest = (deepest as unknown[])[0]
  assert.deepEqual(deepest, [])
  assert.equal((read(pickle(EMPTY_LIST, MARK, Buffer.alloc(1e6, NONE), APPENDS)) as unknown[]).length, 1e6)
})

test('a few bytes that stand for lists without number are never written out', () => {
  const doubled = Buffer.concat([EMPTY_LIST, ...Array.from({ length: 60 }, (_, i) => Buffer.concat([put(i), get(i), TUPLE2]))])
  assert.ok(Array.isArray(read(pickle(doubled))))
  assert.throws(() => read(pickle(doubled, text('system'), STACK_GLOBAL)), { code: 'invalid-weights' })
})

test('whatever a pickle does, it ends in a value or in an error with a code', () => {
  const parts = fc.oneof(
    fc.constantFrom(
      ...[MARK, NONE, POP, EMPTY_LIST, EMPTY_TUPLE, EMPTY_DICT, TUPLE, TUPLE1, TUPLE2, LIST, APPEND, APPENDS, SETITEM, SETITEMS],
      ...[REDUCE, BUILD, OBJ, NEWOBJ, STACK_GLOBAL, MEMOIZE, PERSID, put(0), get(0), get(1), text('torch'), text('FloatStorage')],
      ...[global('collections', 'OrderedDict'), global('torch', 'FloatStorage')],
    ),
    fc.integer().map(int),
    fc.uint8Array({ maxLength: 6 }).map(bytes => Buffer.from(bytes)),
  )
  let values = 0
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 40 }), parts => {
      try {
        read(pickle(NONE, ...parts))
        values++
      } catch (error) {
        assert.ok(error instanceof UprezError, (error as Error).stack)
      }
    }),
    { numRuns: 5000 },
  )
  assert.ok(values > 50, `${values} of 5000 ended in a value: the others prove little`)
})

function read(bytes: Buffer): unknown {
  return unpickle(bytes, 0, NAMES, id => id, 'file').value
}
