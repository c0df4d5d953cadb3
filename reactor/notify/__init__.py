"""NOTIFY: notices for people, by Apprise: a chat, a phone, mail. Nothing here is imported unless it is asked for."""
