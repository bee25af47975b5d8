// A channel's settings as a form has them: texts and clock times instead of minutes.
import type { AutoReplyMode, Channel, OfficeInterval, VoiceAction } from '@/api/types'
import { isE164 } from './phone'

export interface HoursRow {
  weekday: number
  // "09:00"; as an end, "00:00" is midnight at the end of the day.
  from: string
  to: string
}

export interface ChannelForm {
  autoReply: string
  autoReplyMode: AutoReplyMode
  timeZone: string
  hours: HoursRow[]
  voiceGreeting: string
  language: string
  voiceName: string
  action: VoiceAction
  forwardNumber: string
  voicemailSecondsMax: number
  publicUrl: string
}

export const WEEKDAYS = [
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
  'Sunday',
]
const DAY_MINUTES = 24 * 60
const VOICEMAIL_SECONDS = 120

export function clockOf(minute: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const ofDay = minute % DAY_MINUTES
  return `${two(Math.floor(ofDay / 60))}:${two(ofDay % 60)}`
}

export function minuteOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number)
  return hours * 60 + minutes
}

export function toForm(channel: Channel): ChannelForm {
  return {
    autoReply: channel.autoReply ?? '',
    autoReplyMode: channel.autoReplyMode ?? 'AUTO_REPLY_MODE_OFF',
    timeZone: channel.officeHours?.timeZone ?? '',
    hours: (channel.officeHours?.intervals ?? []).map((one) => ({
      weekday: one.weekday,
      from: clockOf(one.fromMinute),
      to: clockOf(one.toMinute),
    })),
    voiceGreeting: channel.voiceGreeting ?? '',
    language: channel.voice?.language ?? '',
    voiceName: channel.voice?.voiceName ?? '',
    action: channel.voice?.action ?? 'ACTION_NONE',
    forwardNumber: channel.voice?.forwardNumber ?? '',
    voicemailSecondsMax: channel.voice?.voicemailSecondsMax || VOICEMAIL_SECONDS,
    publicUrl: channel.publicUrl ?? '',
  }
}

// The fields that the form sets; all of them are sent, so that an emptied one is emptied.
export const FORM_FIELDS = [
  'autoReply',
  'autoReplyMode',
  'officeHours',
  'voiceGreeting',
  'voice',
  'publicUrl',
]

export function toChange(form: ChannelForm): Partial<Channel> {
  const intervals: OfficeInterval[] = form.hours.map((row) => ({
    weekday: row.weekday,
    fromMinute: minuteOf(row.from),
    toMinute: minuteOf(row.to) || DAY_MINUTES,
  }))
  return {
    autoReply: form.autoReply.trim(),
    autoReplyMode: form.autoReplyMode,
    officeHours: { timeZone: form.timeZone.trim(), intervals },
    voiceGreeting: form.voiceGreeting.trim(),
    voice: {
      language: form.language.trim(),
      voiceName: form.voiceName.trim(),
      action: form.action,
      forwardNumber: form.forwardNumber.replace(/[\s()-]/g, ''),
      voicemailSecondsMax: form.voicemailSecondsMax,
    },
    publicUrl: form.publicUrl.trim(),
  }
}

// What is wrong with it as far as can be said here; the server has the last word.
export function formProblem(form: ChannelForm): string {
  const change = toChange(form)
  for (const one of change.officeHours?.intervals ?? []) {
    if (one.fromMinute >= one.toMinute) {
      return `${WEEKDAYS[one.weekday - 1]} must end after it begins.`
    }
  }
  if (form.action === 'ACTION_FORWARD' && !isE164(change.voice?.forwardNumber ?? '')) {
    return 'Write the number that calls are put through to like +1 500 555 1234.'
  }
  if (form.autoReplyMode !== 'AUTO_REPLY_MODE_OFF' && !change.autoReply) {
    return 'Write what the automatic reply says, or switch it off.'
  }
  if (change.publicUrl && !/^https?:\/\/[^\s/]+/.test(change.publicUrl)) {
    return 'Write the public address like https://chat.example.com.'
  }
  return ''
}
