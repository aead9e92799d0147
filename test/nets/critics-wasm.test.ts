import { testCritics } from '../support/critics.js'

testCritics('wasm', { skip: false })
