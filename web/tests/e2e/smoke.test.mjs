// The built page in a real browser, against the mock of the gateway. `npm run build` first.
// PARLEY_CHROMIUM names the browser where it is not Debian's.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import { EMAIL, PASSWORD, startMock } from '../mock-server.mjs'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const WAIT_MS = 10_000

let browser
let mock
let page
let errors

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.PARLEY_CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  })
})
after(() => browser?.close())

async function open(options = {}, mockOptions = {}) {
  mock = await startMock({ stepMs: 60, ...mockOptions })
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  errors = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (line) => {
    const refused = /status of (401|400|503)|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE/.test(line.text())
    if (line.type() === 'error' && !refused) errors.push(line.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(mock.url)) errors.push(`asked ${request.url()}`)
  })
  await page.goto(mock.url)
}
async function close() {
  await page?.context().close()
  await mock?.close()
  assert.deepEqual(errors, [])
}
async function logIn() {
  await page.getByLabel('E-mail address').fill(EMAIL)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
}
const control = (path, body) =>
  fetch(`${mock.url}/mock/${path}`, { method: 'POST', body: JSON.stringify(body ?? {}) })
const item = (name) => page.getByRole('navigation').getByRole('link', { name })
const bubble = (text) => page.getByRole('article').filter({ hasText: text })
const answer = () => page.getByLabel('Your answer')

async function scenario(options, mockOptions, steps) {
  await open(options, mockOptions)
  try {
    await steps()
  } finally {
    await close()
  }
}

describe('the page', () => {
  beforeEach(() => {
    page = undefined
    mock = undefined
  })

  it('logs in, stays logged in over a reload, and logs out', () =>
    scenario({}, {}, async () => {
      await page.getByLabel('E-mail address').fill(EMAIL)
      await page.getByLabel('Password').fill('wrong')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByText('The e-mail address or the password is wrong.').waitFor()
      await logIn()
      await item('Mia Castellanos').waitFor()
      await page.getByText('Live', { exact: true }).waitFor()
      const kept = await page.evaluate(() => localStorage.length + sessionStorage.length)
      assert.equal(kept, 0)
      await page.reload()
      await item('Mia Castellanos').waitFor()
      await page.getByRole('button', { name: 'Account' }).click()
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByLabel('Password').waitFor()
      await page.reload()
      await page.getByLabel('Password').waitFor()
    }))

  it('sends an answer and shows how it is delivered', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      await answer().fill('Line one')
      await answer().press('Shift+Enter')
      await answer().pressSequentially('line two')
      await page.getByText('143 left · 1 segment').waitFor()
      await answer().press('Enter')
      await bubble('Line one').getByText('Delivered').waitFor()
      assert.equal(await answer().inputValue(), '')
      await item('You: Line one').waitFor()

      await answer().fill('please refuse this')
      await answer().press('Enter')
      await bubble('please refuse this').getByText('This is not a valid phone number.').waitFor()
    }))

  it('sends once, although the answer was lost and one tried again', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Sam Okafor').click()
      const count = async () => (await (await control('counts')).json()).messages
      const stored = await count()
      await control('fail', { path: '/v1/messages', times: 1, code: 503 })
      await answer().fill('Hello Sam')
      await answer().press('Enter')
      await bubble('Hello Sam').getByText('Parley has a problem just now.').waitFor()
      // Now it is stored, but nobody hears of it.
      await control('mute')
      await page.route('**/v1/messages', async (route) => {
        await route.fetch()
        await route.fulfill({ status: 503, body: '{}' })
      })
      await Promise.all([
        page.waitForResponse('**/v1/messages'),
        page.getByRole('button', { name: 'Try again' }).click(),
      ])
      await page.unroute('**/v1/messages')
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByRole('button', { name: 'Try again' }).waitFor({ state: 'detached' })
      assert.equal(await bubble('Hello Sam').count(), 1)
      assert.equal(await count(), stored + 1)
    }))

  it('shows a text that comes in at once, and the AI answering', () =>
    scenario({}, { seeded: false }, async () => {
      await logIn()
      await page.getByText('No conversations yet').waitFor()
      await page.getByText('+1 500 555 0006').waitFor()
      await page.getByText('Live', { exact: true }).waitFor()
      await control('inbound', { from: '+15005551234', message: { body: 'Anybody there?' } })
      await item('1 unread').click()
      await bubble('Anybody there?').first().waitFor()
      await bubble('You wrote: “Anybody there?”').getByText('Delivered').waitFor()
      await item('1 unread').waitFor({ state: 'detached' })
    }))

  it('catches up after the stream broke', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      await page.getByText('Live', { exact: true }).waitFor()
      await control('fail', { path: '/v1/live', times: 3, code: 503 })
      await control('drop')
      await page.getByText('Offline').waitFor()
      await control('inbound', { from: '+15005551234', message: { body: 'Missed me?' } })
      await bubble('Missed me?').first().waitFor()
      await page.getByText('Live', { exact: true }).waitFor()
    }))

  it('plays the customer, in a conversation and in a new one', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      await page.getByRole('button', { name: 'Play the customer' }).click()
      const box = page.getByLabel('Message of the customer (simulation)')
      await box.fill('Only pretending')
      await box.press('Enter')
      await bubble('Only pretending').first().getByText('Simulated').waitFor()

      await page.getByRole('button', { name: 'New simulated conversation' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('textbox', { name: 'Number' }).fill('12')
      await dialog.getByRole('button', { name: 'Start' }).click()
      await dialog.getByText('Write it like').waitFor()
      await dialog.getByLabel('None').check()
      await dialog.getByRole('button', { name: 'Start' }).click()
      await page.getByRole('heading', { name: 'No number' }).waitFor()
      await bubble('You wrote').getByText('Shown here only').waitFor()
    }))

  it('takes over, hands back, and switches the AI', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      await page.getByRole('button', { name: 'Take over' }).click()
      await item('Taken over').first().waitFor()
      await page.getByRole('button', { name: 'Hand back to AI' }).click()
      await page.getByRole('button', { name: 'Take over' }).waitFor()
      await page.getByRole('switch', { name: 'AI' }).click()
      await page.getByRole('main').getByText('AI off').waitFor()
    }))

  it('pages both lists by scrolling', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      const log = page.getByRole('log')
      await log.getByText('You are the best').waitFor()
      const fromBottom = () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight)
      assert.ok((await fromBottom()) < 2)
      for (
        let n = 0;
        n < 20 && !(await log.getByText('The conversation begins here.').count());
        ++n
      ) {
        await log.hover()
        await page.mouse.wheel(0, -4000)
        await page.waitForLoadState('networkidle')
      }
      await bubble('Older question number 1').first().waitFor()
      await page.getByRole('button', { name: 'Newest' }).click()

      const links = page.getByRole('navigation').getByRole('link')
      await page.getByRole('navigation').evaluate((e) => e.scrollTo(0, e.scrollHeight))
      await links.nth(70).waitFor({ state: 'attached' })
      assert.equal(await links.count(), 75)
    }))

  it('works by keyboard', () =>
    scenario({}, {}, async () => {
      await logIn()
      await item('Mia Castellanos').waitFor()
      await page.keyboard.press('j')
      await page.getByRole('heading', { name: 'Mia Castellanos' }).waitFor()
      await answer().waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('j')
      await page.getByRole('heading', { name: 'Ana Sofia Reis' }).waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('Escape')
      await page.getByText('The conversation that you choose').waitFor()
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    }))

  it('shows one thing at a time on a phone', () =>
    scenario(PHONE, {}, async () => {
      await logIn()
      await item('Mia Castellanos').click()
      await page.getByRole('log').waitFor()
      assert.equal(await page.getByRole('navigation').isVisible(), false)
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      )
      assert.equal(overflow, 0)
      await page.getByRole('link', { name: 'Back to the conversations' }).click()
      await item('Mia Castellanos').waitFor()
    }))
})
