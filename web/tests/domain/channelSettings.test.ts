import { expect, it } from 'vitest'
import type { Channel } from '@/api/types'
import { clockOf, formProblem, minuteOf, toChange, toForm } from '@/domain/channelSettings'

const channel: Channel = {
  id: 'ch1',
  displayName: 'Shop',
  phoneNumber: '+15005551234',
  whatsappNumber: '',
  media: ['MEDIUM_SMS'],
  accountSid: 'AC1',
  autoReply: 'We are closed.',
  autoReplyMode: 'AUTO_REPLY_MODE_OUT_OF_HOURS',
  officeHours: {
    timeZone: 'Europe/Berlin',
    intervals: [
      { weekday: 1, fromMinute: 540, toMinute: 1020 },
      { weekday: 6, fromMinute: 0, toMinute: 1440 },
    ],
  },
  voiceGreeting: 'Hello',
  voice: {
    language: 'de-DE',
    voiceName: '',
    action: 'ACTION_FORWARD',
    forwardNumber: '+15005551235',
    voicemailSecondsMax: 60,
  },
  publicUrl: 'https://chat.example.com',
}

it('writes minutes as clock times and back', () => {
  for (const minute of [0, 1, 59, 60, 540, 1439]) expect(minuteOf(clockOf(minute))).toBe(minute)
  expect(clockOf(1440)).toBe('00:00')
})

it('gives a channel back as it was', () => {
  const change = toChange(toForm(channel))
  expect({ ...channel, ...change }).toEqual(channel)
})

it('has something to show for a channel without settings', () => {
  const { id, displayName, phoneNumber, whatsappNumber, media } = channel
  const form = toForm({ id, displayName, phoneNumber, whatsappNumber, media })
  expect(form.autoReplyMode).toBe('AUTO_REPLY_MODE_OFF')
  expect(form.voicemailSecondsMax).toBe(120)
  expect(formProblem(form)).toBe('')
})

it.each([
  ['ends before it begins', { hours: [{ weekday: 2, from: '10:00', to: '09:00' }] }, 'Tuesday'],
  ['a number that is none', { forwardNumber: '123' }, 'put through'],
  ['a reply without words', { autoReply: ' ' }, 'automatic reply'],
  ['no address', { publicUrl: 'chat.example.com' }, 'https://'],
])('says what is wrong: %s', (_, change, words) => {
  expect(formProblem({ ...toForm(channel), ...change })).toContain(words)
})

it('takes numbers as people write them', () => {
  const form = { ...toForm(channel), forwardNumber: '+1 (500) 555-1236' }
  expect(toChange(form).voice?.forwardNumber).toBe('+15005551236')
  expect(formProblem(form)).toBe('')
})
