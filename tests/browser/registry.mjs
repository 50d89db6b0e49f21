// A registry of one image, whose bytes come as slowly as a test wants.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { arch } from 'node:process'

const CHUNK = 64 * 1024

/** A tar of one file. */
function tar(name, content) {
	const head = Buffer.alloc(512)
	head.write(name)
	head.write('0000644\0' + '0000000\0' + '0000000\0', 100)
	head.write(`${content.length.toString(8).padStart(11, '0')}\0` + '00000000000\0' + '        0', 124)
	head.write('ustar\0' + '00', 257)
	head.write(`${head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
	return Buffer.concat([head, content, Buffer.alloc((512 - (content.length % 512)) % 512 + 1024)])
}

/** `docker://ADDRESS/slow/image` of `size` bytes. Each chunk waits for `pause()`. */
export async function registry(size, pause) {
	const blobs = new Map()
	const blob = (data, kind) => {
		const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`
		blobs.set(digest, data)
		return { mediaType: `application/vnd.oci.image.${kind}`, digest, size: data.length }
	}
	const layer = tar('bytes', randomBytes(size))
	const config = Buffer.from(JSON.stringify({ architecture: arch === 'x64' ? 'amd64' : arch, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] } }))
	const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: blob(config, 'config.v1+json'), layers: [blob(layer, 'layer.v1.tar')] }))
	const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))

	async function answer({ method, url }, response) {
		const [, kind, what] = /^\/v2\/slow\/image\/(manifests|blobs)\/(.+)$/.exec(url) ?? []
		const body = kind === 'manifests' ? manifest : blobs.get(what)
		if (url !== '/v2/' && !body) {
			response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
			return
		}
		const data = body ?? Buffer.from('{}')
		const type = kind === 'manifests' ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream'
		response.writeHead(200, { 'Content-Type': type, 'Content-Length': data.length, 'Docker-Content-Digest': `sha256:${createHash('sha256').update(data).digest('hex')}` })
		for (let at = 0; method === 'GET' && at < data.length; at += CHUNK) {
			if (data === layer) await pause()
			if (response.destroyed) return
			if (!response.write(data.subarray(at, at + CHUNK))) await once(response, 'drain')
		}
		response.end()
	}

	await once(server.listen(0, '127.0.0.1'), 'listening')
	return {
		address: `127.0.0.1:${server.address().port}`,
		stop: () => {
			server.closeAllConnections()
			server.close()
		},
	}
}
