// Groups anagrams.
const words = ['listen', 'silent', 'enlist', 'kiln', 'link', 'fire'];
const groups = new Map();

for (const word of words) {
	const key = [...word].sort().join('');
	groups.set(key, [...(groups.get(key) ?? []), word]);
}
console.log([...groups.values()].map((group) => group.join(' ')).join('\n'));
