import { describe, expect, it } from 'vitest'
import { countCharacters, countSegments } from '@/domain/segments'

describe('countSegments', () => {
  it.each([
    ['', 0, 160, false],
    ['a', 1, 159, false],
    ['a'.repeat(160), 1, 0, false],
    ['a'.repeat(161), 2, 145, false],
    ['a'.repeat(306), 2, 0, false],
    ['a'.repeat(307), 3, 152, false],
    // The extension table costs two.
    ['€'.repeat(80), 1, 0, false],
    ['€'.repeat(81), 2, 144, false],
    ['[]', 1, 156, false],
    // One character outside makes all of them cost more; a symbol of two units costs two.
    ['ż', 1, 69, true],
    ['é', 1, 159, false],
    ['🙏', 1, 68, true],
    ['🙏'.repeat(35), 1, 0, true],
    ['🙏'.repeat(36), 2, 62, true],
  ])('%j takes %i segments, %i left', (text, segments, left, unicode) => {
    expect(countSegments(text)).toEqual({ segments, left, unicode })
  })
})

it('counts characters as the API does', () => {
  expect(countCharacters('a🙏b')).toBe(3)
})
