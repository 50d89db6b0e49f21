private class Beside
