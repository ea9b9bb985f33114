"""The platform: what to ask it (`calls`, `wire`), how to send it (`client`), and as whom (`auth`)."""
