import random, secrets, uuid
print(len({random.random() for _ in range(100)}), random.Random(1).random(), len(secrets.token_bytes(4)), uuid.uuid4().version)
