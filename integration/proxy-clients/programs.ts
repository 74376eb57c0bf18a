// SPDX-License-Identifier: Apache-2.0

/** Small programs that an agent might write, as files of its workspace. `ports` are those of the stand-in on the host. */
export function programs({ port }: { readonly port: number }): Readonly<Record<string, string>> {
  return {
    'fetch.mjs': `
const base = process.env.BUREAU_BRIDGE_URL;
const body = JSON.stringify({ model: 'm', max_tokens: 9, messages: [] });
const answer = await fetch(base + '/v1/http/anthropic/v1/messages', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
console.log(answer.status, (await answer.json()).content[0].text);
const denied = await fetch(base + '/v1/http/anthropic/v1/files');
console.log(denied.status, (await denied.json()).code);
`,
    'standard.py': `
import http.client, json, os, socket, urllib.error, urllib.request
class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect('/proxy.sock')
connection = UnixConnection('bureau')
body = json.dumps({'model': 'm', 'max_tokens': 9, 'messages': []})
connection.request('POST', '/v1/http/anthropic/v1/messages', body, {'content-type': 'application/json'})
answer = connection.getresponse()
print(answer.status, json.load(answer)['content'][0]['text'])
print(urllib.request.urlopen('http://127.0.0.1:${port}/open'.replace('127.0.0.1', '127.1')).read().decode())
try:
    urllib.request.urlopen('http://example.org/')
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)['code'])
`,
    'anthropic.mjs': `
import Anthropic from '@anthropic-ai/sdk';
const client = new Anthropic({ baseURL: process.env.BUREAU_BRIDGE_URL + '/v1/http/anthropic', apiKey: 'placeholder' });
const request = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] };
console.log((await client.messages.create(request)).content[0].text);
const words = [];
for await (const event of await client.messages.create({ ...request, stream: true })) {
  if (event.type === 'content_block_delta') words.push(event.delta.text);
}
console.log(words.length, words.join(''));
try {
  await client.models.list();
} catch (error) {
  console.log(error.status, error.error.code);
}
`,
    'openai.mjs': `
import OpenAI from 'openai';
const client = new OpenAI({ baseURL: process.env.BUREAU_BRIDGE_URL + '/v1/http/openai/v1', apiKey: 'placeholder' });
const request = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
console.log((await client.chat.completions.create(request)).choices[0].message.content);
const words = [];
for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) words.push(chunk.choices[0].delta.content);
console.log(words.length, words.join(''));
try {
  await client.models.list();
} catch (error) {
  console.log(error.status, error.code ?? error.error?.code);
}
`,
    'anthropic_sdk.py': `
import os, anthropic
client = anthropic.Anthropic(base_url=os.environ['BUREAU_BRIDGE_URL'] + '/v1/http/anthropic', api_key='placeholder')
request = dict(model='m', max_tokens=9, messages=[{'role': 'user', 'content': 'hi'}])
print(client.messages.create(**request).content[0].text)
words = [event.delta.text for event in client.messages.create(**request, stream=True) if event.type == 'content_block_delta']
print(len(words), ''.join(words))
try:
    client.models.list()
except anthropic.APIStatusError as error:
    print(error.status_code, error.response.json()['code'])
`,
    'openai_sdk.py': `
import os, openai
client = openai.OpenAI(base_url=os.environ['BUREAU_BRIDGE_URL'] + '/v1/http/openai/v1', api_key='placeholder')
request = dict(model='m', messages=[{'role': 'user', 'content': 'hi'}])
print(client.chat.completions.create(**request).choices[0].message.content)
words = [chunk.choices[0].delta.content for chunk in client.chat.completions.create(**request, stream=True)]
print(len(words), ''.join(words))
try:
    client.models.list()
except openai.APIStatusError as error:
    print(error.status_code, error.response.json()['code'])
`,
  };
}
