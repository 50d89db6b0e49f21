// Sorts words by how often they occur.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

int main()
{
	const std::vector<std::string> words = { "kiln", "fire", "clay", "kiln", "clay", "kiln" };
	std::map<std::string, int> counts;

	for (const auto &word : words)
		counts[word]++;

	std::vector<std::pair<std::string, int>> ordered(counts.begin(), counts.end());
	std::stable_sort(ordered.begin(), ordered.end(), [](auto &a, auto &b) { return a.second > b.second; });
	for (const auto &[word, count] : ordered)
		std::cout << word << ' ' << count << '\n';
}
