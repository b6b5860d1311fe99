"""What is refused before work begins: bad input, missing files, too little memory."""
