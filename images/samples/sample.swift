import Foundation

print(String(format: "%.2f", 1.5), Date(timeIntervalSince1970: 0))
