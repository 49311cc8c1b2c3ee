// Drives two tabs of a real browser through the chat example.
//
//   node chat.mjs URL [URL OF THE SECOND TAB] [--screenshot FILE]
//
// URL is the chat page; in a cluster another server has it too. The browser is the program in CHROMIUM, or /usr/bin/chromium.
// Prints one line a step, `ok - …` or `not ok - …`, and ends with 0 if all were ok, 1 if
// not. Nothing sleeps: each step waits for what it wants to see, for at most 15 seconds.

import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const STEP_TIMEOUT_MS = 15_000;
const BURST = 50;
/** A name that is more than a uid may hold. */
const BOB = 'Bob Müller 日本';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { screenshot: { type: 'string' } },
});
if (positionals.length !== 1 && positionals.length !== 2) {
  console.error('usage: node chat.mjs URL [URL OF THE SECOND TAB] [--screenshot FILE]');
  process.exit(1);
}
const [firstUrl, secondUrl = firstUrl] = positionals;

let browser;
let failed = false;

/** What went wrong in the pages themselves: exceptions, refused scripts and styles. */
const complaints = [];

/** A tab of its own browser context: nothing is shared with the other tab. */
async function openTab(name, url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${name}: ${message.text()}`);
  });
  await page.goto(url);
  return {
    name,
    page,
    log: page.getByRole('log'),
    members: page.getByRole('complementary').getByRole('listitem'),
    async join() {
      await page.getByLabel('Your name').fill(name);
      await page.getByRole('button', { name: 'Join the room' }).click();
      await page.getByRole('status').getByText('Connected', { exact: true }).waitFor();
    },
    async say(text) {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
    },
    async sees(text, count = 1) {
      await this.log.getByText(text).nth(count - 1).waitFor();
    },
    async seesMessage(author, text) {
      const message = this.log.locator('.message', { hasText: text }).last();
      await message.locator('.what').getByText(text, { exact: true }).waitFor();
      const shownAuthor = await message.locator('.who b').textContent();
      expect(shownAuthor === author, `the author is ${shownAuthor}, not ${author}`);
    },
    async seesMembers(count) {
      // `toHaveCount` of the test runner, made of what the library has.
      await page.waitForFunction(
        (wanted) => document.querySelectorAll('aside li').length === wanted,
        count,
      );
    },
  };
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

async function step(what, work) {
  // After a failure the later steps have nothing to stand on.
  if (failed) {
    console.log(`not ok - ${what}: not tried`);
    return;
  }
  try {
    await work();
    console.log(`ok - ${what}`);
  } catch (error) {
    failed = true;
    console.log(`not ok - ${what}: ${[error.message.split('\n')[0], ...complaints].join(' | ')}`);
  }
}

await step('the browser starts', async () => {
  // `launch` makes a user-data folder of its own and removes it afterwards.
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});

let ann;
let bob;

await step('ann opens the page and joins', async () => {
  ann = await openTab('ann', firstUrl);
  await ann.join();
  await ann.seesMembers(1);
});

await step('bob joins in a second tab, and ann sees it, once', async () => {
  bob = await openTab(BOB, secondUrl);
  await bob.join();
  await bob.seesMembers(2);
  await ann.seesMembers(2);
  await ann.sees(`${BOB} joined`);
});

await step('a message with an emoji from ann is seen by bob, and by ann herself', async () => {
  await ann.say('Grüße, bob! 🐉🍈 👩‍🚀');
  await bob.seesMessage('ann', 'Grüße, bob! 🐉🍈 👩‍🚀');
  await ann.seesMessage('ann', 'Grüße, bob! 🐉🍈 👩‍🚀');
});

if (values.screenshot !== undefined) {
  await step('the page has its picture taken', async () => {
    await bob.say('Hello ann! Where are you writing from?');
    await ann.say('From the tab next to yours 🎉');
    await bob.seesMessage('ann', 'From the tab next to yours 🎉');
    await ann.page.screenshot({ path: values.screenshot, animations: 'disabled' });
  });
}

await step('HTML in a message is shown as text and not run', async () => {
  const html = '<img src=x onerror="window.hacked=1"><b>bold</b><script>window.hacked=1</script>';
  await bob.say(html);
  for (const tab of [ann, bob]) {
    await tab.seesMessage(BOB, html);
    const made = await tab.log.locator('.what *').count();
    expect(made === 0, `${made} elements were made of the message in the tab of ${tab.name}`);
    const hacked = await tab.page.evaluate(() => 'hacked' in window);
    expect(!hacked, `the script ran in the tab of ${tab.name}`);
  }
});

await step('a name and a message that are not plain words arrive unchanged', async () => {
  await bob.say('line one\n{"json": "in \\"quotes\\""} & so on');
  await ann.page.waitForFunction(
    (text) => [...document.querySelectorAll('.what')].at(-1)?.textContent === text,
    'line one\n{"json": "in \\"quotes\\""} & so on',
  );
});

await step(`a burst of ${BURST} messages arrives in order`, async () => {
  // All from one turn of the page's loop: no message waits for the one before it.
  await ann.page.evaluate((count) => {
    const text = document.querySelector('textarea');
    for (let i = 1; i <= count; i += 1) {
      text.value = `burst ${i}`;
      text.form.requestSubmit();
    }
  }, BURST);
  for (const tab of [bob, ann]) {
    await tab.sees(`burst ${BURST}`);
    const seen = await tab.log.locator('.what').allTextContents();
    const burst = seen.filter((text) => text.startsWith('burst '));
    const wanted = Array.from({ length: BURST }, (_, i) => `burst ${i + 1}`);
    expect(burst.join() === wanted.join(), `${tab.name} saw: ${burst.join(', ')}`);
  }
});

await step("reloading bob's tab is a leave and a join for ann", async () => {
  await bob.page.reload();
  await ann.sees(`${BOB} left`);
  await ann.sees(`${BOB} joined`, 2);
  await bob.page.getByRole('status').getByText('Connected', { exact: true }).waitFor();
  await ann.seesMembers(2);
  await bob.seesMembers(2);
});

await step('bob can be heard after the reload', async () => {
  await bob.say('back again');
  await ann.seesMessage(BOB, 'back again');
});

await step("closing bob's tab is a leave for ann", async () => {
  await bob.page.context().close();
  await ann.sees(`${BOB} left`, 2);
  await ann.seesMembers(1);
});

await step('nobody was announced twice', async () => {
  const notices = await ann.log.locator('.notice').allTextContents();
  const told = notices.filter((text) => text.startsWith(BOB)).map((text) => text.slice(BOB.length + 1, BOB.length + 5));
  expect(/^join,left,join,left$/.test(told.join()), notices.join(' | '));
});

await step('ann leaves by the button', async () => {
  await ann.page.getByRole('button', { name: 'Leave' }).click();
  await ann.page.getByRole('button', { name: 'Join the room' }).waitFor();
});

await step('neither page complained', async () => {
  expect(complaints.length === 0, complaints.join(' | '));
});

await browser?.close();
process.exitCode = failed ? 1 : 0;
