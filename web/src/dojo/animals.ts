// Who can sit at a dojo: each a user of the session, with a home of its own.
const animals = [
	'alligator', 'antelope', 'bat', 'bear', 'bee', 'beetle', 'buffalo', 'butterfly', 'cheetah', 'crab', 'deer', 'dolphin', 'eagle', 'elephant', 'flamingo', 'fox',
	'frog', 'gopher', 'gorilla', 'heron', 'hippo', 'hummingbird', 'hyena', 'jellyfish', 'kangaroo', 'kingfisher', 'koala', 'leopard', 'lion', 'lizard', 'lobster', 'moose',
	'mouse', 'ostrich', 'owl', 'panda', 'parrot', 'peacock', 'penguin', 'porcupine', 'puffin', 'rabbit', 'raccoon', 'ray', 'rhino', 'salmon', 'seal', 'shark',
	'skunk', 'snake', 'spider', 'squid', 'squirrel', 'starfish', 'swan', 'tiger', 'toucan', 'tuna', 'turtle', 'vulture', 'walrus', 'whale', 'wolf', 'zebra',
]

/** Those that nobody is yet. */
export function free(taken: string[]): string[] {
	return animals.filter((animal) => !taken.includes(animal))
}
