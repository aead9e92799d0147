import { UprezError } from '../errors.js'

/**
 * Reads a Python pickle without running anything: a machine that knows containers, numbers, text and the few names it is
 * given. A pickle is a program, and `REDUCE` calls what it names; here it can only call the functions in `names`.
 * Opcodes: CPython's Lib/pickletools.py.
 */

/** A function or class that the pickle may name; what is no function can be named, but not called. */
export type Names = Record<string, ((...args: unknown[]) => unknown) | object>

export interface Unpickled {
  value: unknown
  /** Where the pickle ended: several may stand one behind another. */
  end: number
}

/** Bytes of the longest integer: torch's magic number has ten. */
const LONGEST = 64
/** A tensor is made of seven. */
const MOST_ARGUMENTS = 16
/** Of a refused name, so much is said. */
const LONGEST_NAME = 200

/**
 * @param names what the pickle may name, by `module.name`
 * @param persistent resolves a persistent id (torch: a storage)
 * @param place what the bytes are, for errors
 * @throws UprezError `unsafe-weights` naming what was refused; `invalid-weights` for a damaged pickle
 */
export function unpickle(bytes: Buffer, start: number, names: Names, persistent: (id: unknown) => unknown, place: string): Unpickled {
  const stack: unknown[] = []
  const marks: number[] = []
  const memo = new Map<number, unknown>()
  let at = start

  const damaged = (reason: string) =>
    new UprezError('invalid-weights', `${place}: the pickle is damaged at byte ${at}: ${reason}`, {
      expected: 'a whole pickle',
      got: reason,
    })
  const take = (count: number): Buffer => {
    if (count < 0 || at + count > bytes.length) throw damaged('it ends too early')
    at += count
    return bytes.subarray(at - count, at)
  }
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at)
    if (end < 0) throw damaged('a line does not end')
    return take(end + 1 - at)
      .subarray(0, -1)
      .toString('latin1')
  }
  const pop = (): unknown => {
    if (stack.length <= (marks.at(-1) ?? 0)) throw damaged('it takes from an empty stack')
    return stack.pop()
  }
  const popMark = (): unknown[] => {
    const mark = marks.pop()
    if (mark === undefined) throw damaged('a mark is missing')
    return stack.splice(mark)
  }
  const top = (): unknown => stack.at(-1)
  const named = (module: unknown, name: unknown): unknown => {
    // Anything else could take for ever to become text: lists that hold lists that hold lists.
    if (typeof module !== 'string' || typeof name !== 'string') throw damaged('a name is no text')
    const whole = `${module}.${name}`
    if (Object.hasOwn(names, whole)) return names[whole]
    const got = whole.slice(0, LONGEST_NAME)
    throw new UprezError('unsafe-weights', `${place}: it names ${got}, which is no part of a file of weights; nothing was run`, {
      expected: 'tensors, dictionaries, lists, numbers and text',
      got,
    })
  }
  const put = (map: unknown, key: unknown, value: unknown): void => {
    if (!(map instanceof Map)) throw damaged('an entry is set in what is no dictionary')
    map.set(key, value)
  }

  for (;;) {
    const op = take(1)[0]!
    switch (op) {
      case 0x80: // PROTO
        if (take(1)[0]! > 5) throw damaged('its protocol is unknown')
        break
      case 0x95: // FRAME
        take(8)
        break
      case 0x2e: // STOP
        return { value: pop(), end: at }
      case 0x28: // MARK
        marks.push(stack.length)
        break
      case 0x30: // POP
        pop()
        break
      case 0x4e: // NONE
        stack.push(null)
        break
      case 0x88: // NEWTRUE
        stack.push(true)
        break
      case 0x89: // NEWFALSE
        stack.push(false)
        break
      case 0x4a: // BININT
        stack.push(take(4).readInt32LE())
        break
      case 0x4b: // BININT1
        stack.push(take(1)[0])
        break
      case 0x4d: // BININT2
        stack.push(take(2).readUInt16LE())
        break
      case 0x8a: // LONG1
        stack.push(long(take(take(1)[0]!)))
        break
      case 0x8b: {
        // LONG4
        const length = take(4).readInt32LE()
        if (length > LONGEST) throw damaged('an integer is too long')
        stack.push(long(take(length)))
        break
      }
      case 0x47: // BINFLOAT
        stack.push(take(8).readDoubleBE())
        break
      case 0x58: // BINUNICODE
        stack.push(take(take(4).readUInt32LE()).toString('utf8'))
        break
      case 0x8c: // SHORT_BINUNICODE
        stack.push(take(take(1)[0]!).toString('utf8'))
        break
      case 0x55: // SHORT_BINSTRING
        stack.push(take(take(1)[0]!).toString('latin1'))
        break
      case 0x54: // BINSTRING
        stack.push(take(take(4).readInt32LE()).toString('latin1'))
        break
      case 0x43: // SHORT_BINBYTES
        stack.push(take(take(1)[0]!))
        break
      case 0x42: // BINBYTES
        stack.push(take(take(4).readUInt32LE()))
        break
      case 0x7d: // EMPTY_DICT
        stack.push(new Map())
        break
      case 0x5d: // EMPTY_LIST
        stack.push([])
        break
      case 0x29: // EMPTY_TUPLE
        stack.push([])
        break
      case 0x8f: // EMPTY_SET
        stack.push(new Set())
        break
      case 0x74: // TUPLE
        stack.push(popMark())
        break
      case 0x6c: // LIST
        stack.push(popMark())
        break
      case 0x85: // TUPLE1
        stack.push([pop()])
        break
      case 0x86: {
        // TUPLE2
        const second = pop()
        stack.push([pop(), second])
        break
      }
      case 0x87: {
        // TUPLE3
        const [third, second] = [pop(), pop()]
        stack.push([pop(), second, third])
        break
      }
      case 0x61: // APPEND
        append([pop()])
        break
      case 0x65: // APPENDS
        append(popMark())
        break
      case 0x73: {
        // SETITEM
        const value = pop()
        put(stack.at(-2), pop(), value)
        break
      }
      case 0x75: {
        // SETITEMS
        const items = popMark()
        for (let i = 0; i < items.length; i += 2) put(top(), items[i], items[i + 1])
        break
      }
      case 0x71: // BINPUT
        memo.set(take(1)[0]!, top())
        break
      case 0x72: // LONG_BINPUT
        memo.set(take(4).readUInt32LE(), top())
        break
      case 0x94: // MEMOIZE
        memo.set(memo.size, top())
        break
      case 0x68: // BINGET
        stack.push(remembered(take(1)[0]!))
        break
      case 0x6a: // LONG_BINGET
        stack.push(remembered(take(4).readUInt32LE()))
        break
      case 0x63: // GLOBAL
        stack.push(named(line(), line()))
        break
      case 0x93: {
        // STACK_GLOBAL
        const name = pop()
        stack.push(named(pop(), name))
        break
      }
      case 0x51: // BINPERSID
        stack.push(persistent(pop()))
        break
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = pop()
        stack.push(call(pop(), args))
        break
      }
      case 0x69: // INST
        stack.push(call(named(line(), line()), popMark()))
        break
      case 0x6f: {
        // OBJ
        const [callee, ...args] = popMark()
        stack.push(call(callee, args))
        break
      }
      case 0x62: // BUILD: attributes of an object, such as an OrderedDict's _metadata; none of ours has any
        pop()
        break
      default:
        throw damaged(`opcode 0x${op.toString(16)} is none of a file of weights`)
    }
  }

  function call(callee: unknown, args: unknown): unknown {
    if (typeof callee !== 'function' || !Array.isArray(args)) throw damaged('it calls what is no function')
    if (args.length > MOST_ARGUMENTS) throw damaged('a call has too many arguments')
    return callee(...args)
  }

  function append(values: unknown[]): void {
    const list = top()
    if (!Array.isArray(list)) throw damaged('a value is appended to what is no list')
    for (const value of values) list.push(value)
  }

  function remembered(index: number): unknown {
    if (!memo.has(index)) throw damaged(`it recalls ${index}, which was never kept`)
    return memo.get(index)
  }
}

/** Little-endian two's complement of any length; what no double can hold becomes the nearest. */
function long(bytes: Buffer): number {
  const unsigned = BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`)
  return Number(BigInt.asIntN(bytes.length * 8, unsigned))
}
